import MetadataModel

/// The part of the inventory that Neutron would know.
extension Inventory {
    /// An isolated layer 2 network.
    public struct Network: Hashable, Sendable {
        public let id: ResourceID
        /// The key in the file.
        public let name: String
        /// Bytes; nil if the lab leaves it open.
        public let mtu: Int?
        public let subnets: [Subnet]
    }

    public struct Subnet: Hashable, Sendable {
        public let id: ResourceID
        public let cidr: IPPrefix
        /// Nil for `gateway: none`.
        public let gateway: IPAddress?
        public let dns: [IPAddress]
        /// Guests are told to use DHCP rather than given their address.
        public let hasDHCP: Bool
        public let ipv6AddressMode: IPv6AddressMode?
        /// Without the default route, which comes from `gateway`.
        public let routes: [Route]
    }

    /// How guests form their IPv6 address, Neutron's `ipv6_address_mode`.
    public enum IPv6AddressMode: String, CaseIterable, Hashable, Sendable {
        case slaac
        case dhcpv6Stateful = "dhcpv6-stateful"
        case dhcpv6Stateless = "dhcpv6-stateless"
    }

    public struct Route: Hashable, Sendable {
        public let destination: IPPrefix
        public let nexthop: IPAddress
    }

    /// A router and the networks that it joins.
    public struct Router: Hashable, Sendable {
        public let id: ResourceID
        public let name: String
        public let networkIDs: [ResourceID]
    }

    /// One network interface of an instance.
    public struct Port: Hashable, Sendable {
        public let id: ResourceID
        public let networkID: ResourceID
        public let mac: MACAddress
        public let fixedIPs: [IPAddress]
        public let floatingIPs: [IPAddress]
        /// The host's device for it; Neutron's is `tap` and the first eleven characters of the id.
        public let deviceName: String
        /// Neutron's `binding:vif_type`.
        public let vifType: String
        /// What `devices` in `meta_data.json` says about the interface.
        public let hardware: InstanceRecord.Interface
    }

    /// A door of the standalone service: who connects there comes from this network or router.
    public struct Listener: Hashable, Sendable {
        public let address: IPAddress
        public let port: UInt16
        /// Bind to this interface only; needed for an IPv6 link-local address.
        public let interface: String?
        public let scope: Scope
    }
}
