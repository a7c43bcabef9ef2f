import MetadataModel

/// From the ports a server returned to the one instance that is asking, or the reason why there is none.
///
/// The server's own filtering is never relied on: network, address and MAC are compared again here.
/// Addresses overlap between networks as a matter of course, and servers ignore filters they do not know, so
/// a port taken unchecked could be another project's.
public enum PortMatch {
    /// The owners of a router's ports inside a network, all of which a lookup must ask for: plain, distributed
    /// (Juno, LP 1353271) and highly available (Newton). Servers that do not know one find nothing for it.
    public static let routerInterfaceOwners = [
        "network:router_interface",
        "network:router_interface_distributed",
        "network:ha_router_replicated_interface",
    ]

    /// The networks that `router` joins, judging by `ports`.
    ///
    /// An empty answer must end the lookup with `.routerWithoutNetworks`. Neutron's agent then leaves the
    /// network out of its next question and so searches every network there is.
    public static func networks(of router: ResourceID, in ports: [PortRecord]) -> Set<ResourceID> {
        let routerText = router.description
        return Set(
            ports.compactMap { port in
                guard port.deviceID == routerText, routerInterfaceOwners.contains(port.deviceOwner) else { return nil }
                return port.networkID.flatMap { ResourceID($0) }
            }
        )
    }

    /// The instance behind the one port in `networks` that has the address or MAC.
    public static func finding(
        for subject: Claim.Subject,
        in networks: Set<ResourceID>,
        ports: [PortRecord]
    ) -> Finding {
        var matches: [PortRecord] = []
        for port in ports {
            guard let network = port.networkID.flatMap({ ResourceID($0) }), networks.contains(network),
                isPort(port, of: subject)
            else { continue }
            // A port created or deleted between two pages moves the others, so one may be shown twice.
            if let id = port.id, matches.contains(where: { $0.id == id }) { continue }
            matches.append(port)
        }
        guard let port = matches.first else { return .nobody(.noPort) }
        guard matches.count == 1 else { return .nobody(.severalPorts(count: matches.count)) }
        guard let instance = ResourceID(port.deviceID), let project = project(of: port) else {
            return .nobody(.portWithoutInstance)
        }
        return .instance(Instance(id: instance, projectID: project))
    }

    private static func isPort(_ port: PortRecord, of subject: Claim.Subject) -> Bool {
        switch subject {
        case .fixedIP(let address): port.fixedIPs.contains { IPAddress($0) == address }
        case .mac(let mac): port.macAddress.flatMap { MACAddress($0) } == mac
        }
    }

    /// Neutron's agent reads only `tenant_id` up to 2025.2 and only `project_id` since 2026.1; servers before
    /// Newton send only `tenant_id`.
    private static func project(of port: PortRecord) -> ResourceID? {
        port.projectID.flatMap { ResourceID($0) } ?? port.tenantID.flatMap { ResourceID($0) }
    }
}
