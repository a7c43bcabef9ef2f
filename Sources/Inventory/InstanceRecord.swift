import MetadataModel

/// Everything that a guest may read about itself: what Nova keeps of an instance.
public struct InstanceRecord: Hashable, Sendable {
    public let id: ResourceID
    public let projectID: ResourceID
    /// The display name.
    public let name: String
    /// Without domain.
    public let hostname: String
    public let keyPairs: [KeyPair]
    /// Exactly the bytes the user gave, nil if none were given (which is not the same as empty).
    public let userData: [UInt8]?
    public let meta: [MetaItem]
    public let availabilityZone: String?
    public let flavor: String
    public let launchIndex: Int
    public let securityGroups: [String]
    public let vendorData: VendorData
    public let files: [InjectedFile]
    /// The text that Nova would render from its network template.
    public let networkConfig: [UInt8]?
    /// The encrypted administrator password, as if the guest had posted it before.
    public let password: String?
    public let disks: [Disk]
    public let shares: [Share]
    /// Sorted.
    public let dedicatedCPUs: [Int]
    public let blockDevices: BlockDevices
    public let ec2: EC2Identity
    public let ports: [Inventory.Port]

    /// The port's owner as the directory names it.
    public var owner: Instance { Instance(id: id, projectID: projectID) }
}

extension InstanceRecord {
    public struct KeyPair: Hashable, Sendable {
        public let name: String
        public let kind: Kind
        /// The public key: one line of OpenSSH, or a PEM certificate.
        public let data: String

        public enum Kind: String, CaseIterable, Hashable, Sendable {
            case ssh, x509
        }
    }

    /// One pair of `meta`, in the order of the file.
    public struct MetaItem: Hashable, Sendable {
        public let name: String
        public let value: String
    }

    /// Served as `/openstack/content/NNNN`.
    public struct InjectedFile: Hashable, Sendable {
        /// Where the guest is to put it.
        public let path: String
        public let content: [UInt8]
    }

    public struct VendorData: Hashable, Sendable {
        /// `vendor_data.json`; nil for `static: none`, Nova without its `StaticJSON` provider.
        public var staticObject: JSONValue?
        /// What Nova would have fetched from its dynamic targets, by their name.
        public var dynamic: [JSONValue.Member]

        static let none = VendorData(staticObject: .object([]), dynamic: [])
    }

    /// A device's place on the virtual hardware.
    public struct Bus: Hashable, Sendable {
        public let kind: Kind
        /// For PCI `0000:00:02.0`; `none` if unknown.
        public let address: String

        public enum Kind: String, CaseIterable, Hashable, Sendable {
            case pci, usb, scsi, ide, xen, none
        }
    }

    public struct Interface: Hashable, Sendable {
        public let bus: Bus
        public let tags: [String]
        public let vlan: Int?
        public let isTrusted: Bool?
    }

    public struct Disk: Hashable, Sendable {
        public let bus: Bus
        public let serial: String?
        public let path: String?
        public let tags: [String]
    }

    /// A file system share (Nova 2025.1).
    public struct Share: Hashable, Sendable {
        public let id: String
        public let tag: String
        public let bus: Bus
    }

    /// Device names for the EC2 tree's `block-device-mapping`.
    public struct BlockDevices: Hashable, Sendable {
        /// Nil: Nova then prints its fixed mapping.
        public let root: String?
        public let ephemeral: [String]
        public let swap: String?
        /// Sorted.
        public let volumes: [String]
    }

    /// The ids that the EC2 tree prints, complete with their prefix.
    public struct EC2Identity: Hashable, Sendable {
        public let instanceID: String
        public let imageID: String
        public let kernelID: String?
        public let ramdiskID: String?
        public let reservationID: String
    }
}
