import Inventory
import MetadataModel

/// `/ec2` and everything that is not `/openstack`: what Amazon's instances could read in 2009.
extension MetadataTree {
    func ec2(_ elements: ArraySlice<String>, clientAddress: IPAddress?) -> MetadataAnswer {
        guard let first = elements.first else { return .text(EC2Version.list) }
        guard let version = EC2Version(element: first) else { return .notFound }
        let node = ec2Tree(version, clientAddress: clientAddress).find(elements.dropFirst())
        return node.map { .text($0.content) } ?? .notFound
    }

    private func ec2Tree(_ version: EC2Version, clientAddress: IPAddress?) -> EC2Node {
        var root: [String: EC2Node] = ["meta-data": ec2MetaData(version, clientAddress: clientAddress)]
        root["user-data"] = instance.userData.map { .value($0) }
        return .directory(root)
    }

    private func ec2MetaData(_ version: EC2Version, clientAddress: IPAddress?) -> EC2Node {
        let fixedIPv4 = instance.ports.lazy.flatMap(\.fixedIPs).first { !$0.isV6 }
        let floatingIP = instance.ports.lazy.flatMap(\.floatingIPs).first
        var entries: [String: EC2Node] = [
            "ami-id": .text(instance.ec2.imageID),
            "ami-launch-index": .text(String(instance.launchIndex)),
            "ami-manifest-path": .text("FIXME"),
            "hostname": .text(qualifiedHostname),
            "instance-id": .text(instance.ec2.instanceID),
            // "None" is how Python prints what is not there.
            "local-ipv4": .text((fixedIPv4 ?? clientAddress)?.description ?? "None"),
            "reservation-id": .text(instance.ec2.reservationID),
            "security-groups": .list(instance.securityGroups),
        ]
        if !instance.keyPairs.isEmpty { entries["public-keys"] = publicKeys }
        if version >= .january2007 {
            entries["local-hostname"] = .text(qualifiedHostname)
            entries["public-hostname"] = .text(qualifiedHostname)
            entries["public-ipv4"] = .text(floatingIP?.description ?? "")
        }
        if version >= .august2007 { entries["instance-type"] = .text(instance.flavor) }
        if version >= .december2007 {
            entries["block-device-mapping"] = .directory(blockDeviceMapping.mapValues { .text($0) })
            entries["kernel-id"] = instance.ec2.kernelID.map { .text($0) }
            entries["ramdisk-id"] = instance.ec2.ramdiskID.map { .text($0) }
        }
        if version >= .february2008 {
            entries["placement"] = .directory(["availability-zone": .text(instance.availabilityZone ?? "None")])
        }
        if version >= .september2008 { entries["instance-action"] = .text("none") }
        return .directory(entries)
    }

    private var publicKeys: EC2Node {
        let keys = instance.keyPairs.enumerated().map { number, key in
            (String(number), EC2Node.labelled("\(number)=\(key.name)", ["openssh-key": .text(key.data)]))
        }
        return .directory(Dictionary(uniqueKeysWithValues: keys))
    }

    private var blockDeviceMapping: [String: String] {
        let devices = instance.blockDevices
        // Nova's fixed answer for an instance whose root device it does not know.
        guard let root = devices.root else {
            return ["ami": "sda1", "root": "/dev/sda1", "ephemeral0": "sda2", "swap": "sda3"]
        }
        var mapping = ["ami": String(root.hasPrefix("/dev/") ? root.dropFirst(5) : root[...]), "root": root]
        for (number, device) in devices.ephemeral.enumerated() { mapping["ephemeral\(number)"] = device }
        for (number, device) in devices.volumes.enumerated() { mapping["ebs\(number)"] = device }
        mapping["swap"] = devices.swap
        return mapping
    }
}
