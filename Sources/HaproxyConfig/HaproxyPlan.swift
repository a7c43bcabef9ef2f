import MetadataModel

/// Everything that haproxy's command line and configuration say about one metadata proxy, checked, in one value.
///
/// The files that Neutron's L3, DHCP and OVN agents generate (Pike to 2026.2) say little: which network or router,
/// where to listen, where the agent's socket is, how long to wait. haproxy is a general proxy and its language
/// says much more; what of it would change an answer is refused, what cannot is listed in `notices`.
public struct HaproxyPlan: Hashable, Sendable {
    /// The family of headers that tells the agent the scope.
    public enum HeaderFamily: Hashable, Sendable {
        /// `X-Neutron-Network-ID`, `X-Neutron-Router-ID`.
        case neutron
        /// `X-OVN-Network-ID`.
        case ovn
    }

    /// The network or router whose guests are served.
    public let scope: Scope
    public let headerFamily: HeaderFamily
    /// Where to listen; at least one, none twice.
    public let binds: [HaproxyBind]
    /// The agent's UNIX socket, absolute, at most 107 bytes.
    public let socketPath: String

    /// Whom to become when the listeners are bound; a name, or a number for `uid` and `gid`.
    public let user: String?
    public let group: String?
    /// `-p`, else `pidfile`.
    public let pidFile: String?
    /// `daemon` or `-D`, unless `-db` or `-d` keeps the process in the foreground.
    public let isDaemon: Bool
    /// Guests' connections at once; nil if nothing bounds them.
    public let connectionsMax: Int?
    public let timeouts: HaproxyTimeouts
    /// How often to try to connect to the agent again, 0 to 2147483647 (`retries`; haproxy's default is 3).
    public let connectRetries: Int

    /// Where log lines go, in this order; empty if there is no log.
    public let logs: [HaproxyLog]
    /// The tag of syslog lines, `haproxy` unless set.
    public let logTag: String
    /// A line for each request (`option httplog`).
    public let logsRequests: Bool
    /// No line for a connection on which nothing came (`option dontlognull`).
    public let omitsSilentConnections: Bool

    public let rateLimit: HaproxyRateLimit?

    /// What was read and has no effect, for the log.
    public let notices: [HaproxyNotice]
}

/// How long to wait, in milliseconds; nil is for ever.
public struct HaproxyTimeouts: Hashable, Sendable {
    /// For a complete request head: `http-request`, else `client`.
    public var httpRequest: Int?
    /// For the agent to take a connection.
    public var connect: Int?
    /// For a guest that sends a body or takes an answer.
    public var client: Int?
    /// For the agent's answer.
    public var server: Int?
    /// For the next request on a connection: `http-keep-alive`, else `http-request`, else `client`.
    public var httpKeepAlive: Int?

    public init() {}
}

/// One target of log lines, from a `log` line.
public struct HaproxyLog: Hashable, Sendable {
    /// The path of a UNIX datagram socket, `/dev/log` as a rule.
    public let path: String
    /// syslog's number of the facility, 0 to 23; `local0` is 16.
    public let facility: Int
    /// The least important level that is written, syslog's number: 0 (`emerg`) to 7 (`debug`). Lines about requests
    /// are 6 (`info`).
    public let level: Int

    public init(path: String, facility: Int, level: Int) {
        self.path = path
        self.facility = facility
        self.level = level
    }
}

/// Neutron's `[metadata_rate_limiting]` as its template writes it: tables, what is counted in them, and when to deny.
///
/// Each window counts the requests of each source address, those that it denies as well, before it decides.
public struct HaproxyRateLimit: Hashable, Sendable {
    /// The type of the tables, of `[metadata_rate_limiting] ip_versions`.
    public enum AddressFamily: Hashable, Sendable {
        /// `ip`: IPv4, also on a dual-stack listener. Others are not counted.
        case ipv4
        /// `ipv6`: IPv6, and IPv4 as `::ffff:a.b.c.d`, so everybody (seen with haproxy 2.6).
        case ipv6

        public var countsIPv4: Bool { true }
        public var countsIPv6: Bool { self == .ipv6 }
    }

    public struct Window: Hashable, Sendable {
        /// 1 to 2147483647.
        public let milliseconds: Int
        /// A request that makes the count larger than this is denied.
        public let requestsMax: Int
        /// Source addresses that are remembered at once.
        public let entriesMax: Int
        /// An address that was not seen for so long is forgotten; nil: only when the table is full.
        public let expiryMilliseconds: Int?
    }

    public let addressFamily: AddressFamily
    /// In the order of the rules. One to three; whoever exceeds any of them gets 429.
    public let windows: [Window]
}
