import HTTPWire
import MetadataModel
import RelayLoop

/// Limits and time-outs of the request path; every queue, buffer and wait of a relay loop has its bound here.
public struct RelaySettings: Sendable {
    /// How long a guest may take to send a complete request head, from its first byte or the connection's
    /// start (haproxy's `timeout http-request`).
    public var requestTimeout: LoopSpan = .seconds(30)
    /// How long a guest may neither send body bytes that are due nor take bytes that wait (`timeout client`).
    public var clientTimeout: LoopSpan = .seconds(32)
    /// How long a connection may stay open between two requests (`timeout http-keep-alive`).
    public var keepAliveTimeout: LoopSpan = .seconds(30)
    /// How long a guest that is being refused may go on sending before its connection is cut.
    public var lingerTimeout: LoopSpan = .seconds(2)

    public var headLimits = HeadLimits()
    /// The largest request body in bytes, by Content-Length or after decoding. Nova's only use of a body is a
    /// password of at most 1,020 bytes.
    public var bodyBytesMax: UInt64 = 1_048_576
    /// Memory in bytes that all chunked bodies being collected on one loop may take together.
    public var collectedBytesMax = 33_554_432
    /// Bytes that may wait for a slow reader in either direction before the other side is made to wait.
    public var queuedBytesMax = 262_144

    /// Guest connections per loop; more wait in the kernel's backlog.
    public var connectionsMax = 4_096
    public var hold = HoldPolicy()

    /// Entries in a loop's own copy of the directory's answers.
    public var cachedInstancesMax = 10_000
    /// A 404 of Nova's makes us ask the directory again if its answer is older than this: the port may have
    /// been given to another instance meanwhile (LP 1868867). Younger answers are believed, or every guest
    /// that asks for an optional document would cost a lookup.
    public var confirmAfter: LoopSpan = .seconds(2)

    public var statuses = StatusSwitches()

    /// The names of the headers by which a namespace proxy tells the agent the scope.
    public var scopeHeaders = ScopeHeaders.neutron

    public enum ScopeHeaders: Sendable {
        /// `X-Neutron-Network-ID`, `X-Neutron-Router-ID`.
        case neutron
        /// `X-OVN-Network-ID`.
        case ovn
    }

    /// What "no time-out" means: a year.
    public static let longestWait = LoopSpan.seconds(31_536_000)

    public init() {}
}

/// Where Neutron's agent answered 500 until 2024.1 and later releases, and we, tell more.
public struct StatusSwitches: Sendable {
    /// Nova silent for too long (504), or its answer broken (502).
    public var novaTroubleIs500 = false
    /// The control plane unreachable (503).
    public var directoryAwayIs500 = false

    public init() {}

    func status(of verdict: Verdict) -> Int {
        switch verdict {
        case .backendTimeout, .backendBroken: novaTroubleIs500 ? 500 : verdict.status
        case .directoryAway: directoryAwayIs500 ? 500 : verdict.status
        default: verdict.status
        }
    }
}

/// How long a request may wait for what is not there *yet*, and how often to look.
///
/// cloud-init gives the first request ten seconds and, before its release 25.1, takes any error status as final,
/// so waiting is the only answer that saves the boot. An answer held for 9.5 s is taken, one held for 11 s is not.
public struct HoldPolicy: Sendable {
    /// In total for one request, over all hops. Zero turns holding off.
    public var durationMax: LoopSpan = .seconds(8.5)
    /// Held requests per loop: they cost memory, and a storm must not turn into one.
    public var requestsMax = 4_096

    public init() {}

    /// The pause before asking the directory again: a port that appears late is noticed within a second.
    func directoryPause(attempt: Int) -> LoopSpan {
        .milliseconds(min(250 << UInt64(min(attempt, 2)), 1_000))
    }

    /// The pause before connecting again to a next hop that is restarting.
    func backendPause(attempt: Int) -> LoopSpan {
        .milliseconds(min(50 << UInt64(min(attempt, 4)), 500))
    }
}

/// The next hop: Nova's metadata API, or the agent's UNIX socket.
public struct UpstreamSettings: Sendable {
    public var addresses: any UpstreamAddresses
    /// The value of the Host header, for example `127.0.0.1:8775`.
    public var host: String
    /// TLS, if the next hop speaks it.
    public var security: (any SecureChannelFactory)?
    /// For one attempt, TLS included; the next one goes to the next address.
    public var connectTimeout: LoopSpan = .seconds(3)
    /// How long the next hop may be silent (Neutron 2024.1: 60 s).
    public var answerTimeout: LoopSpan = .seconds(60)
    /// How long an unused connection is kept.
    public var idleTimeout: LoopSpan = .seconds(15)
    /// Connections per loop; requests beyond it wait for one.
    public var connectionsMax = 1_024

    public init(addresses: any UpstreamAddresses, host: String) {
        self.addresses = addresses
        self.host = host
    }
}

/// Where the next hop is at this moment. Names are resolved elsewhere: a relay loop never waits for DNS.
public protocol UpstreamAddresses: Sendable {
    /// In the order to try; empty while the name cannot be resolved.
    func current() -> [SocketAddress]
    /// A connection to one of them failed; the name may have moved.
    func connectionFailed()
}

/// Addresses that never change: literals and UNIX paths.
public struct FixedAddresses: UpstreamAddresses {
    private let addresses: [SocketAddress]

    public init(_ addresses: [SocketAddress]) {
        self.addresses = addresses
    }

    public func current() -> [SocketAddress] { addresses }
    public func connectionFailed() {}
}
