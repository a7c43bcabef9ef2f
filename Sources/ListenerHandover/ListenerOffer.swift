import MetadataModel
import RelayLoop

/// What a namespace proxy says about the listening sockets that it hands to the agent.
///
/// Text, a line per field, so that either side may be older than the other: unknown fields are skipped, and a
/// version that is not ours is refused.
public struct ListenerOffer: Sendable, Equatable {
    /// What the header names of the agent's own UNIX socket would be; said for the log and for later use.
    public enum HeaderFamily: String, Sendable {
        case neutron
        case ovn
    }

    /// Whose guests connect to these sockets.
    public var scope: Scope
    public var headerFamily = HeaderFamily.neutron
    /// `log-tag` of haproxy's configuration; empty for none.
    public var logTag = ""
    /// `timeout http-request`, `client`, `http-keep-alive`, `server`; nil for the agent's own.
    public var requestTimeout: LoopSpan?
    public var clientTimeout: LoopSpan?
    public var keepAliveTimeout: LoopSpan?
    public var answerTimeout: LoopSpan?
    /// `maxconn`.
    public var connectionsMax: Int?
    public var rate: RateLimit?

    /// How often a guest may ask: `[metadata_rate_limiting]` of Neutron.
    public struct RateLimit: Sendable, Equatable {
        public struct Window: Sendable, Equatable {
            public var period: LoopSpan
            public var requestsMax: UInt32

            public init(period: LoopSpan, requestsMax: UInt32) {
                self.period = period
                self.requestsMax = requestsMax
            }
        }

        public var windows: [Window]
        public var countsIPv4: Bool
        public var countsIPv6: Bool
        /// Addresses remembered at once; nil for the agent's own bound.
        public var entriesMax: Int?
        /// How long a silent address is remembered; nil for the longest window.
        public var expiry: LoopSpan?

        public init(
            windows: [Window],
            countsIPv4: Bool,
            countsIPv6: Bool,
            entriesMax: Int? = nil,
            expiry: LoopSpan? = nil
        ) {
            self.windows = windows
            self.countsIPv4 = countsIPv4
            self.countsIPv6 = countsIPv6
            self.entriesMax = entriesMax
            self.expiry = expiry
        }
    }

    public init(scope: Scope) {
        self.scope = scope
    }

    /// The most bytes of an offer.
    public static let bytesMax = 4_096
    static let title = "bellhop-listeners 1"

    public enum ParseError: Error, Equatable, Sendable {
        /// Not an offer, or of another version.
        case notAnOffer
        /// A field that makes no sense, by name.
        case badField(String)
        /// No network and no router, or more than one.
        case noScope
    }

    public var bytes: [UInt8] {
        var lines = [Self.title]
        switch scope {
        case .network(let id): lines.append("network \(id)")
        case .router(let id): lines.append("router \(id)")
        }
        lines.append("headers \(headerFamily.rawValue)")
        if !logTag.isEmpty { lines.append("tag \(logTag)") }
        for (name, value) in [
            ("http-request", requestTimeout), ("client", clientTimeout), ("http-keep-alive", keepAliveTimeout),
            ("server", answerTimeout),
        ] {
            if let value { lines.append("\(name) \(value.milliseconds)") }
        }
        if let connectionsMax { lines.append("maxconn \(connectionsMax)") }
        if let rate {
            lines.append("rate-families \(rate.countsIPv4 ? "4" : "")\(rate.countsIPv6 ? "6" : "")")
            for window in rate.windows { lines.append("rate \(window.period.milliseconds) \(window.requestsMax)") }
            if let entriesMax = rate.entriesMax { lines.append("rate-entries \(entriesMax)") }
            if let expiry = rate.expiry { lines.append("rate-expiry \(expiry.milliseconds)") }
        }
        return Array((lines.joined(separator: "\n") + "\n").utf8)
    }

    public init(_ bytes: [UInt8]) throws(ParseError) {
        guard bytes.count <= Self.bytesMax, let text = String(validating: bytes, as: UTF8.self) else {
            throw .notAnOffer
        }
        let lines = text.split(separator: "\n", omittingEmptySubsequences: true)
        guard lines.first == Self.title[...] else { throw .notAnOffer }
        var scope: Scope?
        var fields: [(name: String, value: Substring)] = []
        for line in lines.dropFirst() {
            let parts = line.split(separator: " ", maxSplits: 1)
            guard parts.count == 2 else { throw .badField(String(line.prefix(32))) }
            let name = String(parts[0])
            guard name == "network" || name == "router" else {
                fields.append((name, parts[1]))
                continue
            }
            guard scope == nil else { throw .noScope }
            guard let id = ResourceID(parts[1]) else { throw .badField(name) }
            scope = name == "network" ? .network(id) : .router(id)
        }
        guard let scope else { throw .noScope }
        self.init(scope: scope)
        for (name, value) in fields { try read(name, value) }
    }

    private mutating func read(_ name: String, _ value: Substring) throws(ParseError) {
        switch name {
        case "headers":
            guard let family = HeaderFamily(rawValue: String(value)) else { throw .badField(name) }
            headerFamily = family
        case "tag": logTag = String(value)
        case "http-request": requestTimeout = try Self.span(name, value)
        case "client": clientTimeout = try Self.span(name, value)
        case "http-keep-alive": keepAliveTimeout = try Self.span(name, value)
        case "server": answerTimeout = try Self.span(name, value)
        case "maxconn":
            guard let number = Int(value), number > 0 else { throw .badField(name) }
            connectionsMax = number
        case "rate-families":
            guard ["4", "6", "46"].contains(value) else { throw .badField(name) }
            rate = RateLimit(windows: [], countsIPv4: value.contains("4"), countsIPv6: value.contains("6"))
        case "rate":
            let parts = value.split(separator: " ")
            guard parts.count == 2, let limit = UInt32(parts[1]), rate != nil,
                (rate?.windows.count ?? 0) < Self.windowsMax
            else { throw .badField(name) }
            let period = try Self.span(name, parts[0], millisecondsMax: Self.ratePeriodMillisecondsMax)
            rate?.windows.append(RateLimit.Window(period: period, requestsMax: limit))
        case "rate-entries":
            guard let number = Int(value), number > 0, rate != nil else { throw .badField(name) }
            rate?.entriesMax = min(number, Self.rateEntriesMax)
        case "rate-expiry":
            guard rate != nil else { throw .badField(name) }
            rate?.expiry = try Self.span(name, value, millisecondsMax: Self.ratePeriodMillisecondsMax)
        default: break
        }
    }

    private static let windowsMax = 3
    /// haproxy's timers are 31 bits of milliseconds.
    private static let ratePeriodMillisecondsMax: UInt64 = 2_147_483_647
    /// About 150 bytes each.
    private static let rateEntriesMax = 65_536

    /// The longest time-out in an offer, in milliseconds: a day, which no guest waits.
    public static let timeoutMillisecondsMax: UInt64 = 86_400_000

    /// Zero would end every connection at once.
    private static func span(
        _ name: String,
        _ value: Substring,
        millisecondsMax: UInt64 = timeoutMillisecondsMax
    ) throws(ParseError) -> LoopSpan {
        guard let milliseconds = UInt64(value), (1...millisecondsMax).contains(milliseconds) else {
            throw .badField(name)
        }
        return .milliseconds(milliseconds)
    }
}

/// What the agent says on a connection: first whether it wants an offer at all, then what it does with it.
public enum ListenerReply: Sendable, Equatable {
    /// The agent is there and takes an offer. Before, none is sent: the sockets in it would stay in the hands of an agent
    /// that hangs, and their addresses in use, whatever becomes of the proxy.
    case ready
    /// The agent accepts connections on the sockets now. They are given back by closing the connection.
    case accepted
    /// A sentence.
    case refused(String)

    public static let bytesMax = 1_024

    public var bytes: [UInt8] {
        switch self {
        case .ready: Array("ready\n".utf8)
        case .accepted: Array("accepted\n".utf8)
        case .refused(let why): Array("refused \(why)\n".utf8.prefix(Self.bytesMax))
        }
    }

    /// Anything else is a refusal.
    init(_ bytes: [UInt8]) {
        let text = String(decoding: bytes, as: UTF8.self).split(separator: "\n").first ?? ""
        switch text {
        case "ready": self = .ready
        case "accepted": self = .accepted
        default: self = .refused(String(text.drop { $0 != " " }.dropFirst()))
        }
    }
}
