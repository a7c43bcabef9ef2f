import MetadataModel

/// Reads an instance's ports: the list `ports`, or the keys of a single port on the instance itself.
struct PortReader {
    static let keys =
        inlineKeys + ["network", "id", "device_name", "vif_type", "bus", "bus_address", "tags", "vlan", "vf_trusted"]
    static let inlineKeys = ["mac", "fixed_ip", "fixed_ips", "floating_ip", "floating_ips"]

    private let instanceKey: String
    private let defaultNetwork: Place?
    private let lab: InventoryReader

    /// - Parameter defaultNetwork: what the instance or `defaults` say, for ports that name no network.
    init(instanceKey: String, defaultNetwork: Place?, in lab: InventoryReader) {
        self.instanceKey = instanceKey
        self.defaultNetwork = defaultNetwork
        self.lab = lab
    }

    func read(_ instance: Section) -> [Inventory.Port] {
        let inline = Self.inlineKeys.filter(instance.has)
        guard instance.has("ports") else {
            return inline.isEmpty ? [] : readPort(instance, number: 0, isInline: true).map { [$0] } ?? []
        }
        if let first = inline.first {
            instance.find(first)?.report("belongs into \"ports\", or leave \"ports\" out")
        }
        return (instance.find("ports")?.items() ?? []).enumerated().compactMap { number, place in
            guard let section = place.section() else { return nil }
            section.refuseKeys(otherThan: Self.keys)
            return readPort(section, number: number, isInline: false)
        }
    }

    private func readPort(_ section: Section, number: Int, isInline: Bool) -> Inventory.Port? {
        section.refuseTogether(["fixed_ip", "fixed_ips"])
        section.refuseTogether(["floating_ip", "floating_ips"])
        // The remaining keys mean something else, or nothing, on an instance.
        let own = isInline ? nil : section
        let name = "port/\(instanceKey)/\(number)"
        let network = network(of: section)
        let id = lab.id(own, kind: "port", name: name, at: section.place)
        let mac = section.find("mac")
        let address = mac.map { $0.mac() } ?? NameBasedID.mac(name)
        if let network, let address { lab.duplicates.claim(address, on: network.id, at: mac ?? section.place) }
        let fixedIPs = (section.find("fixed_ip") ?? section.find("fixed_ips"))?.list { fixedIP($0, on: network) }
        let floatingIPs = (section.find("floating_ip") ?? section.find("floating_ips"))?.list { $0.address() }
        let deviceName = own?.find("device_name")?.line(countMax: 15)
        let vifType = own?.find("vif_type")?.line()
        let hardware = hardware(own)
        guard let network, let address else { return nil }
        return .init(
            id: id,
            networkID: network.id,
            mac: address,
            fixedIPs: fixedIPs ?? [],
            floatingIPs: floatingIPs ?? [],
            deviceName: deviceName ?? "tap" + id.description.prefix(11),
            vifType: vifType ?? "ovs",
            hardware: hardware
        )
    }

    /// Where nothing is said and the lab has one network only, it is that one.
    private func network(of section: Section) -> Inventory.Network? {
        if let place = section.find("network") ?? defaultNetwork { return lab.network(named: place) }
        if lab.networks.count == 1 { return lab.networks[0] }
        section.place.report("\"network\" is missing and the lab has \(lab.networks.count) networks")
        return nil
    }

    private func fixedIP(_ place: Place, on network: Inventory.Network?) -> IPAddress? {
        guard let address = place.address() else { return nil }
        guard let network else { return address }
        if !network.subnets.isEmpty, !network.subnets.contains(where: { $0.cidr.contains(address) }) {
            place.report("\(address) is in no subnet of network \(Place.quote(network.name))")
        }
        lab.duplicates.claim(address, on: network.id, at: place)
        return address
    }

    private func hardware(_ section: Section?) -> InstanceRecord.Interface {
        guard let section else {
            return .init(bus: .init(kind: .none, address: "none"), tags: [], vlan: nil, isTrusted: nil)
        }
        return .init(
            bus: InstanceReader.bus(section),
            tags: section.find("tags")?.list { $0.line() } ?? [],
            vlan: section.find("vlan")?.integer(in: 1...4094),
            isTrusted: section.find("vf_trusted")?.boolean()
        )
    }
}
