/// Which isolated network a request came out of: what the namespace proxy (or the listener itself) knows.
public enum Scope: Hashable, Sendable {
    /// A network with its own DHCP namespace (`X-Neutron-Network-ID`).
    case network(ResourceID)
    /// A router, whose interfaces join one or more networks (`X-Neutron-Router-ID`).
    case router(ResourceID)
}

extension Scope: CustomStringConvertible {
    /// As Neutron's log lines and error pages say it: `network ID` or `router ID`.
    public var description: String {
        switch self {
        case .network(let id): "network \(id)"
        case .router(let id): "router \(id)"
        }
    }
}

/// What a request claims about its sender, and nothing the guest could choose: the network or router it
/// came through and its address there. The directory turns a claim into an instance.
public struct Claim: Hashable, Sendable {
    /// How the port is recognised.
    public enum Subject: Hashable, Sendable {
        /// By one of its fixed IPs.
        case fixedIP(IPAddress)
        /// By its MAC, for a guest that speaks from its IPv6 link-local address (Neutron Victoria).
        case mac(MACAddress)
    }

    public let scope: Scope
    public let subject: Subject

    public init(scope: Scope, subject: Subject) {
        self.scope = scope
        self.subject = subject
    }

    /// The claim of a guest that was seen at `address`.
    ///
    /// Nil if the address can belong to no port: a link-local address that was not made from a MAC.
    public init?(scope: Scope, address: IPAddress) {
        guard address.isIPv6LinkLocal else {
            self.init(scope: scope, subject: .fixedIP(address))
            return
        }
        guard let mac = MACAddress(modifiedEUI64: address) else { return nil }
        self.init(scope: scope, subject: .mac(mac))
    }
}

extension Claim: CustomStringConvertible {
    public var description: String {
        switch subject {
        case .fixedIP(let address): "\(scope) with IP address \(address)"
        case .mac(let mac): "\(scope) with MAC address \(mac)"
        }
    }
}
