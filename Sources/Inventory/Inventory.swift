import MetadataModel

/// A lab without OpenStack, as its inventory file describes it: what Neutron (networks, routers, ports) and
/// Nova (instances) would otherwise answer.
///
/// A value: a reload makes a new one, and a request keeps the one it started with. It knows nothing of YAML
/// (`InventoryFile` reads it), of sockets, or of the documents that guests read (`NovaMetadata`).
public struct Inventory: Hashable, Sendable {
    /// Appended to every host name with a dot, Nova's `[api] dhcp_domain`; empty for bare names.
    public let dhcpDomain: String
    public let networks: [Network]
    public let routers: [Router]
    public let instances: [InstanceRecord]
    public let listeners: [Listener]

    private let networkIndex: [ResourceID: Int]
    private let routerIndex: [ResourceID: Int]
    private let instanceIndex: [ResourceID: Int]

    /// Nova's default of `dhcp_domain`.
    public static let dhcpDomainDefault = "novalocal"

    /// Of two entries with one id the first is found; `InventoryFile` refuses such a file.
    init(
        dhcpDomain: String = dhcpDomainDefault,
        networks: [Network] = [],
        routers: [Router] = [],
        instances: [InstanceRecord] = [],
        listeners: [Listener] = []
    ) {
        self.dhcpDomain = dhcpDomain
        self.networks = networks
        self.routers = routers
        self.instances = instances
        self.listeners = listeners
        networkIndex = Self.index(networks.map(\.id))
        routerIndex = Self.index(routers.map(\.id))
        instanceIndex = Self.index(instances.map(\.id))
    }

    public func network(_ id: ResourceID) -> Network? { networkIndex[id].map { networks[$0] } }

    public func router(_ id: ResourceID) -> Router? { routerIndex[id].map { routers[$0] } }

    public func instance(_ id: ResourceID) -> InstanceRecord? { instanceIndex[id].map { instances[$0] } }

    private static func index(_ ids: [ResourceID]) -> [ResourceID: Int] {
        Dictionary(ids.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    }
}
