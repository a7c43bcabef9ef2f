import Glibc
import MetadataModel
import OsloConfig
import RelayLoop

/// What the proxy's options come to, checked, and with absolute paths: a daemon's directory is `/`.
public struct ProxySettings: Sendable {
    /// Whose guests are served, as the requests to the agent say it. A router wins over a network.
    public var scope: Scope
    /// What tells this proxy's process from others in a pid file. Here a network wins over a router: with
    /// `enable_metadata_network` the DHCP agent passes a router's id and keeps track by the network's.
    public var identity: ResourceID
    public var port: UInt16
    /// The agent's UNIX socket.
    public var agentSocket: String
    /// Nil: no pid file (allowed since Liberty).
    public var pidFile: String?
    public var runsInBackground: Bool
    /// Empty: stay who we are.
    public var user: String
    public var group: String
    public var watchesLogFile: Bool
    /// How long a request may wait for an agent that is away.
    public var hold: LoopSpan

    /// - Parameters:
    ///   - configuration: must know the options of `ProxyOptions.all`.
    ///   - workingDirectory: what relative paths start from.
    public init(_ configuration: Configuration, workingDirectory: String) throws(ProxyError) {
        let network = try Self.id("network_id", configuration)
        let router = try Self.id("router_id", configuration)
        guard let identity = network ?? router else {
            throw ProxyError(.idMissing, "network_id and router_id are None. One must be provided.")
        }
        self.identity = identity
        scope = router.map { .router($0) } ?? .network(identity)
        guard let port = UInt16(exactly: configuration.integer("metadata_port") ?? 9_697) else {
            throw ProxyError(.badOption, "metadata_port must be 0 to 65535.")
        }
        self.port = port
        func path(_ name: String) -> String? {
            guard let path = configuration.string(name), !path.isEmpty else { return nil }
            if path.hasPrefix("/") { return path }
            return workingDirectory.hasSuffix("/") ? workingDirectory + path : "\(workingDirectory)/\(path)"
        }
        guard let socket = path("metadata_proxy_socket"), socket.utf8.count <= SocketAddress.unixPathBytesMax else {
            throw ProxyError(
                .badOption,
                "metadata_proxy_socket must be a path of 1 to \(SocketAddress.unixPathBytesMax) bytes."
            )
        }
        agentSocket = socket
        pidFile = path("pid_file")
        runsInBackground = configuration.boolean("daemonize") ?? true
        user = configuration.string("metadata_proxy_user") ?? ""
        group = configuration.string("metadata_proxy_group") ?? ""
        watchesLogFile = configuration.boolean("metadata_proxy_watch_log") ?? true
        hold = .seconds(configuration.float("hold_seconds") ?? 8.5)
    }

    /// Nil if the option is not set or empty.
    private static func id(_ name: String, _ configuration: Configuration) throws(ProxyError) -> ResourceID? {
        guard let text = configuration.string(name), !text.isEmpty else { return nil }
        guard let id = ResourceID(text) else {
            throw ProxyError(
                .badOption,
                "\(name) must be 1 to \(ResourceID.byteCountMax) visible ASCII characters, because it is sent in a"
                    + " header."
            )
        }
        return id
    }
}
