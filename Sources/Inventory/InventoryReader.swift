import MetadataModel

/// Reads the file's top level and hands each part to its reader, in the order in which one needs the other.
///
/// Lives for one file. It holds what names refer to and what must not occur twice.
final class InventoryReader {
    static let keys = [
        "dhcp_domain", "keys", "vendor_data", "networks", "routers", "listeners", "defaults", "instances",
    ]

    let directory: String
    let problems: ProblemList
    var duplicates = DuplicateCheck()
    private(set) var networks: [Inventory.Network] = []
    /// By name and by id; a name that is another network's id wins.
    private var networksByName: [String: Inventory.Network] = [:]
    private var routersByName: [String: Inventory.Router] = [:]
    private(set) var keyPairs: [String: InstanceRecord.KeyPair] = [:]
    private(set) var vendorData = InstanceRecord.VendorData.none

    init(directory: String, problems: ProblemList) {
        self.directory = directory
        self.problems = problems
    }

    /// What it returns is complete only if nothing was reported.
    func read(_ top: Section) -> Inventory {
        top.refuseKeys(otherThan: Self.keys)
        if let section = top.find("keys")?.section() {
            for (name, place) in section.named() { keyPairs[name] = keyPair(name, place) }
        }
        if let place = top.find("vendor_data") { vendorData = readVendorData(place, over: vendorData) }
        if let section = top.find("networks")?.section() {
            networks = section.named().map(readNetwork)
            for network in networks { networksByName[network.id.description] = network }
            for network in networks { networksByName[network.name] = network }
        }
        var routers: [Inventory.Router] = []
        if let section = top.find("routers")?.section() {
            routers = section.named().compactMap(readRouter)
            for router in routers { routersByName[router.id.description] = router }
            for router in routers { routersByName[router.name] = router }
        }
        let defaults = top.find("defaults")?.section()
        defaults?.refuseKeys(otherThan: InstanceReader.sharedKeys)
        var instances: [InstanceRecord] = []
        if let section = top.find("instances")?.section() {
            for (name, place) in section.named() {
                guard let section = place.section() else { continue }
                instances.append(InstanceReader(name, section, defaults: defaults, in: self).read())
            }
        }
        return Inventory(
            dhcpDomain: dhcpDomain(top),
            networks: networks,
            routers: routers,
            instances: instances,
            listeners: top.find("listeners")?.list(readListener) ?? []
        )
    }

    private func dhcpDomain(_ top: Section) -> String {
        guard let place = top.find("dhcp_domain") else { return Inventory.dhcpDomainDefault }
        // An empty text is meant: bare host names.
        guard let text = place.text(), !text.isEmpty else { return "" }
        return place.line() ?? ""
    }

    // MARK: References

    func network(named place: Place) -> Inventory.Network? {
        guard let name = place.line() else { return nil }
        if let network = networksByName[name] { return network }
        report(place, "network", name, known: networks.map(\.name))
        return nil
    }

    func router(named place: Place) -> Inventory.Router? {
        guard let name = place.line() else { return nil }
        if let router = routersByName[name] { return router }
        report(place, "router", name, known: routersByName.values.map(\.name).sorted())
        return nil
    }

    func report(_ place: Place, _ kind: String, _ name: String, known: [String]) {
        let hint = NearestName.suggestion(for: name, among: known).map { ", did you mean \"\($0)\"?" } ?? ""
        place.report("there is no \(kind) \(Place.quote(name))\(hint)")
    }

    /// The content of a file that `place` names, relative to the inventory.
    func file(named place: Place) -> [UInt8]? {
        guard let name = place.line(countMax: 4096) else { return nil }
        let path = name.hasPrefix("/") ? name : directory + name
        do {
            return try BoundedFile.read(path)
        } catch {
            place.report("\(path) \(error.message)")
            return nil
        }
    }

    // MARK: Parts without a reader of their own

    private func readListener(_ place: Place) -> Inventory.Listener? {
        guard let section = place.section() else { return nil }
        section.refuseKeys(otherThan: ["listen", "interface", "network", "router"])
        let door = section.require("listen")
        let endpoint = door.flatMap(endpoint)
        section.refuseTogether(["network", "router"])
        let scope: Scope?
        if let place = section.find("network") {
            scope = network(named: place).map { .network($0.id) }
        } else if let place = section.find("router") {
            scope = router(named: place).map { .router($0.id) }
        } else {
            place.report("\"network\" or \"router\" is missing: who is listened to here?")
            scope = nil
        }
        // The kernel's limit on interface names.
        let interface = section.find("interface")?.line(countMax: 15)
        guard let door, let endpoint, let scope else { return nil }
        duplicates.claim(listener: "\(endpoint.address) \(endpoint.port) \(interface ?? "")", at: door)
        return .init(address: endpoint.address, port: endpoint.port, interface: interface, scope: scope)
    }

    /// `127.0.0.1:80` or `[fe80::1]:80`.
    private func endpoint(_ place: Place) -> (address: IPAddress, port: UInt16)? {
        guard let text = place.line() else { return nil }
        if let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0 {
            var host = text[..<colon]
            let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
            if isBracketed { host = host.dropFirst().dropLast() }
            if let address = IPAddress(host), address.isV6 == isBracketed || isBracketed { return (address, port) }
        }
        place.report("not an address and port like 127.0.0.1:8169 or [::1]:8169: \(Place.quote(text))")
        return nil
    }
}
