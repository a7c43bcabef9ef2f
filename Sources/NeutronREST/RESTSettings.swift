/// How to reach Keystone and Neutron's API: the agent's `auth_*` and `admin_*` options (Juno to Liberty), and
/// the few that Keystone v3 needs besides.
///
/// The account needs the `admin` role: without it Neutron shows only the account's own ports and says nothing
/// about the others.
public struct RESTSettings: Sendable {
    /// A Keystone v3 domain, by name or by id.
    public enum Domain: Sendable, Equatable {
        case name(String)
        case id(String)
    }

    public enum AuthVersion: Sendable, Equatable {
        /// By the path of `authURL` (`/v3`, `/v2.0`), otherwise by asking Keystone, and then v3 before v2.0.
        case auto
        case v2
        case v3
    }

    /// `auth_strategy`.
    public enum Strategy: Sendable, Equatable {
        case keystone
        /// No login and an empty token. Needs `endpointURL`.
        case noauth
    }

    /// `endpoint_type`: which address of Neutron to take from the catalog.
    public enum EndpointType: String, Sendable, Equatable {
        case adminURL, internalURL, publicURL
    }

    /// Keystone, with or without its version (`http://host:5000/v2.0`, `http://host/identity`).
    public var authURL: String
    public var user: String
    public var password: String
    public var tenantName: String
    public var userDomain: Domain = .id("default")
    public var projectDomain: Domain = .id("default")
    public var authVersion: AuthVersion = .auto
    public var strategy: Strategy = .keystone
    /// The catalog region, compared exactly. Nil takes any.
    public var region: String?
    /// Accepts every certificate, of Keystone and of Neutron.
    public var insecure = false
    /// PEM file with the authorities to trust. Nil trusts the system's. Ignored if `insecure`.
    public var caFile: String?
    public var endpointType: EndpointType = .adminURL
    /// Neutron's address, instead of the catalog's (Liberty).
    public var endpointURL: String?

    /// neutronclient had no time limits. The longest time to connect, TLS included.
    public var connectTimeout: Duration = .seconds(5)
    /// The longest time for one request, from connecting to the last byte.
    public var requestTimeout: Duration = .seconds(30)
    /// The most bytes of answers that one lookup may read, over all its pages.
    public var responseBytesMax = 64 * 1_024 * 1_024
    /// The most pages of one list.
    public var pagesMax = 1_000

    public init(authURL: String, user: String, password: String, tenantName: String) {
        self.authURL = authURL
        self.user = user
        self.password = password
        self.tenantName = tenantName
    }
}

extension RESTSettings: CustomStringConvertible {
    /// For log lines: never the password.
    public var description: String { "\(user) of \(tenantName) at \(authURL)" }
}
