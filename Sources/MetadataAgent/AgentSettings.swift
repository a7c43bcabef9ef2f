import Glibc
import LinuxHost
import MetadataModel
import NeutronREST
import NovaBackend
import OsloConfig
import OsloMessaging
import RelayLoop
import RequestPath

/// The agent's options as the types its parts want: the one place that turns option values into meaning.
public struct AgentSettings: Sendable {
    /// Where instances are looked up.
    public enum DirectoryKind: Sendable {
        case inventory(path: String)
        /// Over the message bus, and by REST where that fails.
        case rpc(fallback: RESTSettings?)
        case rest(RESTSettings)
    }

    public var host: String
    public var socketPath: String
    public var socketPermissions: mode_t
    /// Whose proxies may hand over listeners, besides root's and our own user's; may be empty.
    public var proxyUser: String
    /// Whether listeners are taken over from namespace proxies.
    public var takesListeners: Bool
    public var backlog: CInt
    public var workers: Int
    public var directory: DirectoryKind
    /// Nil if no message bus is configured.
    public var messaging: MessagingSettings?
    /// How long one call over the message bus may take.
    public var rpcTimeout: Duration
    /// Nil if no state reports are wanted, or there is no bus for them.
    public var reports: ReportSettings?
    /// How long a found instance answers later requests.
    public var lookupLifetime: Duration
    public var backend: BackendEndpoint
    public var tls: TLSOptions
    public var secret: String
    public var novaTimeout: LoopSpan
    public var upstreamConnectionsMax: Int
    public var drainGrace: LoopSpan
    public var relay: RelaySettings
    public var forwardedForPolicy: ForwardedForPolicy
    public var guestLimits: GuestLimits.Settings
    public var answerCache: AnswerCache.Settings
    /// What an operator may not have meant, a sentence each.
    public var warnings: [String]

    /// - Throws: `AgentSettingsError` where options that are valid each by itself do not fit together.
    public init(_ configuration: Configuration) throws(AgentSettingsError) {
        host = configuration.string("host") ?? HostName.current
        guard let socketPath = configuration.string("metadata_proxy_socket"), !socketPath.isEmpty else {
            throw AgentSettingsError("metadata_proxy_socket is empty: give the path of the socket to listen on.")
        }
        self.socketPath = socketPath
        proxyUser = configuration.string("metadata_proxy_user") ?? ""
        takesListeners = configuration.boolean("take_listeners", group: "bellhop") ?? true
        let mode = SocketMode(rawValue: configuration.string("metadata_proxy_socket_mode") ?? "") ?? .deduce
        socketPermissions = mode.permissions(
            proxyUser: proxyUser,
            proxyGroup: configuration.string("metadata_proxy_group") ?? "",
            identity: .current
        )
        backlog = CInt(clamping: configuration.integer("metadata_backlog") ?? 4_096)
        workers = Self.workers(configuration.integer("metadata_workers"))
        let messaging = try ConfiguredMessaging(configuration)
        warnings = messaging.warnings
        directory = try Self.directory(configuration, hasBus: messaging.isConfigured)
        switch directory {
        // Asked for by name, it is there with all its defaults.
        case .rpc: self.messaging = messaging.settings
        case .inventory, .rest: self.messaging = messaging.isConfigured ? messaging.settings : nil
        }
        rpcTimeout = min(.seconds(configuration.integer("rpc_response_timeout") ?? 60), .seconds(30))
        reports = self.messaging == nil ? nil : ReportSettings(configuration)
        lookupLifetime = LookupLifetime.from(configuration)
        do {
            backend = try BackendEndpoint(
                scheme: configuration.string("nova_metadata_protocol") ?? "http",
                host: configuration.string("nova_metadata_host") ?? "127.0.0.1",
                port: configuration.integer("nova_metadata_port") ?? 8775
            )
        } catch {
            throw AgentSettingsError("\(error)")
        }
        tls = TLSOptions(
            authorities: configuration.string("auth_ca_cert"),
            isInsecure: configuration.boolean("nova_metadata_insecure") ?? false,
            clientCertificate: configuration.string("nova_client_cert"),
            clientKey: configuration.string("nova_client_priv_key")
        )
        secret = configuration.string("metadata_proxy_shared_secret") ?? ""
        novaTimeout = .seconds(configuration.float("nova_timeout_seconds", group: "bellhop") ?? 60)
        upstreamConnectionsMax = configuration.integer("upstream_connections_max", group: "bellhop") ?? 1_024
        drainGrace = .seconds(configuration.float("drain_seconds", group: "bellhop") ?? 8.75)
        relay = RelaySettings()
        relay.statuses.novaTroubleIs500 = configuration.string("nova_timeout_status", group: "bellhop") == "500"
        relay.statuses.directoryAwayIs500 = configuration.string("directory_away_status", group: "bellhop") == "500"
        relay.hold.durationMax = .seconds(configuration.float("hold_seconds", group: "bellhop") ?? 8.5)
        relay.connectionsMax = configuration.integer("connections_max", group: "bellhop") ?? 4_096
        relay.bodyBytesMax = UInt64(configuration.integer("request_body_bytes_max", group: "bellhop") ?? 1_048_576)
        // The other ends are proxies, which may keep idle connections as long as Neutron lets them; 0 is for ever.
        let idleSeconds = configuration.integer("client_socket_timeout") ?? 900
        relay.keepAliveTimeout = idleSeconds > 0 ? .seconds(Double(idleSeconds)) : RelaySettings.longestWait
        answerCache = AnswerCache.Settings()
        answerCache.lifetime = .seconds(configuration.float("response_cache_seconds", group: "bellhop") ?? 0)
        answerCache.bytesMax = configuration.integer("response_cache_bytes_max", group: "bellhop") ?? 33_554_432
        guestLimits = try GuestLimits.Settings(configuration)
        forwardedForPolicy = configuration.string("xff_policy", group: "bellhop") == "reject" ? .reject : .last
    }

    /// Relay loops for `metadata_workers`: half the processors if it is not set, as in Neutron, and one for 0, which
    /// there means "in the main process" and never "one request at a time".
    static func workers(_ option: Int?, processors: Int = sysconf(CInt(_SC_NPROCESSORS_ONLN))) -> Int {
        max(option ?? processors / 2, 1)
    }

    private static func directory(
        _ configuration: Configuration,
        hasBus: Bool
    ) throws(AgentSettingsError) -> DirectoryKind {
        let inventory = configuration.string("inventory", group: "bellhop") ?? ""
        let rest = RESTSettings(configuration)
        switch configuration.string("directory", group: "bellhop") ?? "auto" {
        case "inventory":
            guard !inventory.isEmpty else {
                throw AgentSettingsError("[bellhop] directory = inventory needs [bellhop] inventory, a file's path.")
            }
            return .inventory(path: inventory)
        case "rpc": return .rpc(fallback: rest)
        case "rest":
            guard let rest else { throw nowhere }
            return .rest(rest)
        default:
            if !inventory.isEmpty { return .inventory(path: inventory) }
            if hasBus { return .rpc(fallback: rest) }
            guard let rest else { throw nowhere }
            return .rest(rest)
        }
    }

    private static let nowhere = AgentSettingsError(
        "There is nowhere to look instances up: set transport_url (the message bus), or auth_url with admin_user,"
            + " admin_password and admin_tenant_name (Neutron's REST API), or [bellhop] inventory (a file, without"
            + " OpenStack)."
    )
}

/// Options that do not make a working agent.
public struct AgentSettingsError: Error, Sendable, CustomStringConvertible {
    public let description: String

    init(_ description: String) {
        self.description = description
    }
}
