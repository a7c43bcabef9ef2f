import FoundationEssentials
import Inventory
import MetadataModel

/// `meta_data.json`. Members come in Nova's order.
extension MetadataTree {
    private static let randomSeedByteCount = 512

    func metaData(_ version: OpenStackVersion, random: inout some RandomNumberGenerator) -> JSONValue {
        var document = Document()
        document.add("uuid", .string(instance.id.description))
        if !instance.meta.isEmpty {
            document.add("meta", .object(instance.meta.map { .init(name: $0.name, value: .string($0.value)) }))
        }
        addContents(to: &document)
        if !instance.keyPairs.isEmpty {
            document.add(
                "public_keys",
                .object(instance.keyPairs.map { .init(name: $0.name, value: .string($0.data)) })
            )
            let keys = instance.keyPairs.map { key -> JSONValue in
                ["name": .string(key.name), "type": .string(key.kind.rawValue), "data": .string(key.data)]
            }
            document.add("keys", .array(keys))
        }
        document.add("hostname", .string(qualifiedHostname))
        document.add("name", .string(instance.name))
        document.add("launch_index", .integer(instance.launchIndex))
        document.add("availability_zone", instance.availabilityZone.map { .string($0) } ?? .null)
        if version >= .grizzly { document.add("random_seed", .string(Self.randomSeed(&random))) }
        if version >= .liberty { document.add("project_id", .string(instance.projectID.description)) }
        if version >= .newton1 { document.add("devices", .array(devices(version))) }
        if version >= .victoria {
            document.add("dedicated_cpus", .array(instance.dedicatedCPUs.map { .integer($0) }))
        }
        return document.value
    }

    /// The paths are below `/openstack`, although they start with a slash.
    private func addContents(to document: inout Document) {
        let firstFile = instance.networkConfig == nil ? 0 : 1
        if !instance.files.isEmpty {
            let files = instance.files.enumerated().map { index, file -> JSONValue in
                [
                    "path": .string(file.path),
                    "content_path": .string("/content/\(Self.contentName(firstFile + index))"),
                ]
            }
            document.add("files", .array(files))
        }
        if instance.networkConfig != nil {
            document.add("network_config", ["name": "network_config", "content_path": "/content/0000"])
        }
    }

    private static func randomSeed(_ random: inout some RandomNumberGenerator) -> String {
        var bytes = Data(capacity: randomSeedByteCount)
        while bytes.count < randomSeedByteCount {
            withUnsafeBytes(of: random.next().littleEndian) { bytes.append(contentsOf: $0) }
        }
        return bytes.base64EncodedString()
    }

    // MARK: Devices

    private func devices(_ version: OpenStackVersion) -> [JSONValue] {
        var devices = instance.ports.compactMap { nic($0, version) } + instance.disks.map(disk)
        if version >= .epoxy { devices += instance.shares.map(share) }
        return devices
    }

    /// Nova records an interface that has a tag, a VLAN or a trust setting, and shows those of which the
    /// version knows something to say; from Rocky on that is every recorded one.
    private func nic(_ port: Inventory.Port, _ version: OpenStackVersion) -> JSONValue? {
        let hardware = port.hardware
        guard !hardware.tags.isEmpty || hardware.vlan != nil || hardware.isTrusted != nil else { return nil }
        let vlan = version >= .ocata ? hardware.vlan : nil
        let isTrusted = version >= .rocky ? hardware.isTrusted ?? false : nil
        guard !hardware.tags.isEmpty || vlan != nil || isTrusted != nil else { return nil }
        var device = Document()
        if let vlan { device.add("vlan", .integer(vlan)) }
        if let isTrusted { device.add("vf_trusted", .boolean(isTrusted)) }
        device.add("type", "nic")
        device.add("mac", .string(port.mac.description))
        device.add(hardware.bus)
        device.add(tags: hardware.tags)
        return device.value
    }

    private func disk(_ disk: InstanceRecord.Disk) -> JSONValue {
        var device = Document()
        device.add("type", "disk")
        if let serial = disk.serial { device.add("serial", .string(serial)) }
        if let path = disk.path { device.add("path", .string(path)) }
        device.add(disk.bus)
        device.add(tags: disk.tags)
        return device.value
    }

    private func share(_ share: InstanceRecord.Share) -> JSONValue {
        var device = Document()
        device.add("type", "share")
        device.add("share_id", .string(share.id))
        device.add("tag", .string(share.tag))
        device.add(share.bus)
        return device.value
    }
}

/// An object under construction.
private struct Document {
    private var members: [JSONValue.Member] = []

    var value: JSONValue { .object(members) }

    mutating func add(_ name: String, _ value: JSONValue) {
        members.append(.init(name: name, value: value))
    }

    mutating func add(_ bus: InstanceRecord.Bus) {
        add("bus", .string(bus.kind.rawValue))
        add("address", .string(bus.address))
    }

    mutating func add(tags: [String]) {
        if !tags.isEmpty { add("tags", .array(tags.map { .string($0) })) }
    }
}
