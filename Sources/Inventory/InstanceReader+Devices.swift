import MetadataModel

/// Devices and EC2 ids.
extension InstanceReader {
    private static let busKeys = ["bus", "bus_address"]

    static func bus(_ section: Section) -> InstanceRecord.Bus {
        .init(
            kind: section.find("bus")?.choice(of: InstanceRecord.Bus.Kind.self) ?? .none,
            address: section.find("bus_address")?.line() ?? "none"
        )
    }

    func disk(_ place: Place) -> InstanceRecord.Disk? {
        guard let section = place.section() else { return nil }
        section.refuseKeys(otherThan: Self.busKeys + ["serial", "path", "tags"])
        return .init(
            bus: Self.bus(section),
            serial: section.find("serial")?.line(),
            path: section.find("path")?.line(),
            tags: section.find("tags")?.list { $0.line() } ?? []
        )
    }

    func share(_ place: Place) -> InstanceRecord.Share? {
        guard let section = place.section() else { return nil }
        section.refuseKeys(otherThan: Self.busKeys + ["id", "tag"])
        guard let id = section.require("id")?.line() else { return nil }
        return .init(id: id, tag: section.find("tag")?.line() ?? id, bus: Self.bus(section))
    }

    func blockDevices(_ section: Section?) -> InstanceRecord.BlockDevices {
        section?.refuseKeys(otherThan: ["root", "ephemeral", "swap", "volumes"])
        return .init(
            root: section?.find("root")?.line(),
            ephemeral: section?.find("ephemeral")?.list { $0.line() } ?? [],
            swap: section?.find("swap")?.line(),
            volumes: (section?.find("volumes")?.list { $0.line() } ?? []).sorted {
                $0.utf8.lexicographicallyPrecedes($1.utf8)
            }
        )
    }

    /// Nova hands these ids out by counting; here they are made from the uuid.
    func ec2(_ section: Section?, id: ResourceID) -> InstanceRecord.EC2Identity {
        section?.refuseKeys(otherThan: ["instance_id", "ami_id", "kernel_id", "ramdisk_id", "reservation_id"])
        return .init(
            instanceID: section?.find("instance_id")?.line() ?? "i-" + NameBasedID.short("ec2/\(id)"),
            imageID: section?.find("ami_id")?.line() ?? "ami-" + NameBasedID.short("image/default"),
            kernelID: section?.find("kernel_id")?.line(),
            ramdiskID: section?.find("ramdisk_id")?.line(),
            reservationID: section?.find("reservation_id")?.line() ?? "r-" + NameBasedID.short("reservation/\(id)")
        )
    }
}
