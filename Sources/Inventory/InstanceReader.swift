import FoundationEssentials
import MetadataModel

/// Reads one entry of `instances`.
///
/// What the entry leaves out comes from `defaults`, and then from the values a fresh OpenStack would use.
struct InstanceReader {
    /// May stand in `defaults` too.
    static let sharedKeys =
        [
            "project", "keys", "availability_zone", "flavor", "security_groups", "meta", "vendor_data", "files",
            "network_config", "network", "dedicated_cpus",
        ] + userDataKeys
    private static let userDataKeys = ["user_data", "user_data_file", "user_data_base64"]
    private static let ownKeys =
        [
            "uuid", "name", "hostname", "launch_index", "password", "disks", "shares", "block_devices", "ec2",
            "ports",
        ] + PortReader.inlineKeys

    private let key: String
    private let section: Section
    private let defaults: Section?
    private let lab: InventoryReader

    init(_ key: String, _ section: Section, defaults: Section?, in lab: InventoryReader) {
        self.key = key
        self.section = section
        self.defaults = defaults
        self.lab = lab
    }

    func read() -> InstanceRecord {
        section.refuseKeys(otherThan: Self.ownKeys + Self.sharedKeys)
        let given = section.find("uuid")
        let id = given?.uuid() ?? NameBasedID.uuid("instance/\(key)")
        lab.duplicates.claim(id: id, of: "instance", at: given ?? section.place)
        let name = section.find("name")?.line() ?? key
        return InstanceRecord(
            id: id,
            projectID: shared("project")?.id() ?? NameBasedID.projectID,
            name: name,
            hostname: section.find("hostname").flatMap(hostname) ?? Self.hostname(from: name, id: id),
            keyPairs: keyPairs(),
            userData: userData(),
            meta: shared("meta")?.section()?.named().compactMap(metaItem) ?? [],
            availabilityZone: availabilityZone(),
            flavor: shared("flavor")?.line() ?? "m1.small",
            launchIndex: section.find("launch_index")?.integer(in: 0...Int(Int32.max)) ?? 0,
            securityGroups: shared("security_groups")?.list { $0.line() } ?? ["default"],
            vendorData: shared("vendor_data").map { lab.readVendorData($0, over: lab.vendorData) } ?? lab.vendorData,
            files: shared("files")?.list(injectedFile) ?? [],
            networkConfig: shared("network_config")?.text().map { Array($0.utf8) },
            password: section.find("password")?.line(countMax: 1020),
            disks: section.find("disks")?.list(disk) ?? [],
            shares: section.find("shares")?.list(share) ?? [],
            dedicatedCPUs: (shared("dedicated_cpus")?.list { $0.integer(in: 0...65_535) } ?? []).sorted(),
            blockDevices: blockDevices(section.find("block_devices")?.section()),
            ec2: ec2(section.find("ec2")?.section(), id: id),
            ports: PortReader(instanceKey: key, defaultNetwork: shared("network"), in: lab).read(section)
        )
    }

    /// The instance's own value or that of `defaults`; a null of its own says "none" and hides the default.
    private func shared(_ key: String) -> Place? {
        section.has(key) ? section.find(key) : defaults?.find(key)
    }

    /// An explicit null is a null for the guest too, as for an instance that Nova has not scheduled.
    private func availabilityZone() -> String? {
        if let place = shared("availability_zone") { return place.line() }
        return (section.has("availability_zone") ? section : defaults)?.has("availability_zone") == true ? nil : "nova"
    }

    // MARK: Names

    private func hostname(_ place: Place) -> String? {
        guard let text = place.line() else { return nil }
        guard text.utf8.allSatisfy(Self.isHostnameByte) else {
            place.report("not a host name: \(Place.quote(text))")
            return nil
        }
        return text
    }

    private static func isHostnameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    /// Nova's rule for display names: of the first 63 characters, blanks, underscores and dots become dashes,
    /// and what cannot stand in a host name goes.
    private static func hostname(from name: String, id: ResourceID) -> String {
        var bytes: [UInt8] = []
        for byte in name.prefix(63).lowercased().utf8 {
            switch byte {
            case UInt8(ascii: " "), UInt8(ascii: "_"), UInt8(ascii: "."): bytes.append(UInt8(ascii: "-"))
            case _ where isHostnameByte(byte): bytes.append(byte)
            default: break
            }
        }
        let isDash: (UInt8) -> Bool = { $0 == UInt8(ascii: "-") }
        var kept = bytes.drop(while: isDash)
        while kept.last.map(isDash) == true { kept.removeLast() }
        return kept.isEmpty ? "Server-\(id)" : String(decoding: kept, as: UTF8.self)
    }

    // MARK: What the user gave

    /// A list of names from the top level's `keys`, or a mapping with keys of its own.
    private func keyPairs() -> [InstanceRecord.KeyPair] {
        guard let place = shared("keys") else { return [] }
        if place.isMapping {
            return place.section()?.named().compactMap { lab.keyPair($0, $1) } ?? []
        }
        return place.list { item in
            guard let name = item.line() else { return nil }
            if let keyPair = lab.keyPairs[name] { return keyPair }
            lab.report(item, "key", name, known: lab.keyPairs.keys.sorted())
            return nil
        }
    }

    private func userData() -> [UInt8]? {
        section.refuseTogether(Self.userDataKeys)
        defaults?.refuseTogether(Self.userDataKeys)
        let source = Self.userDataKeys.contains(where: section.has) ? section : defaults
        return source?.find("user_data")?.text().map { Array($0.utf8) }
            ?? source?.find("user_data_file").flatMap(lab.file(named:))
            ?? source?.find("user_data_base64").flatMap(Self.base64)
    }

    private static func base64(_ place: Place) -> [UInt8]? {
        guard let text = place.text() else { return nil }
        // A block of lines is usual for long values.
        guard let data = Data(base64Encoded: text.filter { !$0.isWhitespace }) else {
            place.report("not base64")
            return nil
        }
        return Array(data)
    }

    private func metaItem(_ name: String, _ place: Place) -> InstanceRecord.MetaItem? {
        place.text().map { .init(name: name, value: $0) }
    }

    private func injectedFile(_ place: Place) -> InstanceRecord.InjectedFile? {
        guard let section = place.section() else { return nil }
        let sources = ["content", "content_file", "content_base64"]
        section.refuseKeys(otherThan: ["path"] + sources)
        section.refuseTogether(sources)
        let path = section.require("path")?.line(countMax: 4096)
        let content =
            section.find("content")?.text().map { Array($0.utf8) }
            ?? section.find("content_file").flatMap(lab.file(named:))
            ?? section.find("content_base64").flatMap(Self.base64)
        return path.map { .init(path: $0, content: content ?? []) }
    }
}
