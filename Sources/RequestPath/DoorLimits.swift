import MetadataModel
import RelayLoop
import Synchronization

/// Time-outs and bounds of one door: what haproxy's configuration says for one network.
///
/// Shared by all loops, and by all connections that came through the door.
public final class DoorLimits: Sendable {
    /// See `RelaySettings` for what these three mean.
    public let requestTimeout: LoopSpan
    public let clientTimeout: LoopSpan
    public let keepAliveTimeout: LoopSpan
    /// How long the next hop may be silent (`timeout server`); nil leaves it to the next hop's own settings.
    public let answerTimeout: LoopSpan?
    /// Connections of this door at a time, over all loops; nil for no bound but the loops' own. Soft: loops that
    /// accept at the same moment may each take one more.
    public let connectionsMax: Int?

    private let connections = Atomic<Int>(0)
    /// Nil without a limit. Shared by the loops: a guest's connections go to any of them.
    private let rate: SharedRate?

    /// In an object of its own: a door without a limit pays for no lock, and Swift 6.3 takes an optional `Mutex` that
    /// is nil for one that is not, without optimization.
    private final class SharedRate: Sendable {
        let limiter: Mutex<RateLimiter>

        init(_ limiter: RateLimiter) {
            self.limiter = Mutex(limiter)
        }
    }

    public init(
        requestTimeout: LoopSpan,
        clientTimeout: LoopSpan,
        keepAliveTimeout: LoopSpan,
        answerTimeout: LoopSpan? = nil,
        connectionsMax: Int? = nil,
        rate: RateLimiter? = nil
    ) {
        self.requestTimeout = requestTimeout
        self.clientTimeout = clientTimeout
        self.keepAliveTimeout = keepAliveTimeout
        self.answerTimeout = answerTimeout
        self.connectionsMax = connectionsMax
        self.rate = rate.map { SharedRate($0) }
    }

    /// Counts a request; nil if it may go on.
    func refusal(of source: IPAddress, now: LoopInstant) -> Verdict? {
        guard let rate, let seconds = rate.limiter.withLock({ $0.admit(source, now: now) }).retryAfterSeconds else {
            return nil
        }
        return .rateLimited(retryAfter: Int(clamping: seconds))
    }

    convenience init(_ settings: RelaySettings) {
        self.init(
            requestTimeout: settings.requestTimeout,
            clientTimeout: settings.clientTimeout,
            keepAliveTimeout: settings.keepAliveTimeout
        )
    }

    var hasRoom: Bool {
        guard let connectionsMax else { return true }
        return connections.load(ordering: .relaxed) < connectionsMax
    }

    func opened() {
        if connectionsMax != nil { connections.add(1, ordering: .relaxed) }
    }

    func closed() {
        if connectionsMax != nil { connections.subtract(1, ordering: .relaxed) }
    }
}
