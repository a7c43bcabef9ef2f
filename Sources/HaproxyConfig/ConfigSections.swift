import MetadataModel

/// What the lines of `global` said.
struct GlobalSettings {
    var user: String?
    var group: String?
    var connectionsMax: Int?
    var pidFile: String?
    var isDaemon = false
    var logs: [HaproxyLog] = []
    var logTag: String?
}

/// What a `defaults` section hands on to the sections behind it, and each of them can change.
struct ProxySettings {
    enum Mode { case tcp, http }

    /// tcp until a line says otherwise.
    var mode = Mode.tcp
    var connectionsMax: Int?
    var retries: Int?
    var timeouts = HaproxyTimeouts()
    var usesGlobalLogs = false
    var logs: [HaproxyLog] = []
    var logTag: String?
    var logsRequests = false
    var omitsSilentConnections = false
}

/// A `listen`, `frontend` or `backend` section.
struct ProxySection {
    enum Kind: String { case listen, frontend, backend }

    let kind: Kind
    let name: String
    let file: String
    let line: Int
    var settings: ProxySettings

    var binds: [HaproxyBind] = []
    var servers: [Server] = []
    var defaultBackend: String?
    var identities: [Identity] = []
    var table: Table?
    var tracks: [Track] = []
    var denials: [Denial] = []

    struct Server {
        let path: String
        let line: Int
    }

    /// A header that tells the agent where requests come from.
    struct Identity {
        let scope: Scope
        let family: HaproxyPlan.HeaderFamily
        let line: Int
    }

    /// A `stick-table` line.
    struct Table {
        let family: HaproxyRateLimit.AddressFamily
        let entriesMax: Int
        let expiryMilliseconds: Int?
        /// The period of `http_req_rate`, if it is stored.
        let rateMilliseconds: Int?
    }

    /// A `track-sc` rule: requests are counted in this table from here on.
    struct Track {
        let table: String
        let line: Int
    }

    /// A `deny` rule: above `requestsMax` in this table, the answer is 429.
    struct Denial {
        let table: String
        let requestsMax: Int
        /// How many `track-sc` rules of the section stood before it.
        let tracksBefore: Int
        let line: Int
    }

    /// As in messages: `listen 'listener'`.
    var title: String { "\(kind.rawValue) \(quoted(name))" }
}
