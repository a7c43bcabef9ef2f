import MetadataModel
import RelayLoop
import Synchronization

/// What one guest may take of the agent, whatever door it comes through: Neutron's `[metadata_rate_limiting]`, and the
/// preset `[bellhop] guest_limits = standard`. A door's own limits, from haproxy's configuration, come on top.
///
/// Shared by all loops, because a guest's connections go to any of them. Nil in `RelayPlan` where nothing is limited,
/// so that nobody pays for a lock who has not asked for it.
public final class GuestLimits: Sendable {
    /// How often a guest may ask.
    public struct Rate: Sendable, Equatable {
        public var windows: [RateLimiter.Window]
        public var families: RateLimiter.Families

        public init(windows: [RateLimiter.Window], families: RateLimiter.Families) {
            self.windows = windows
            self.families = families
        }
    }

    public struct Settings: Sendable, Equatable {
        /// Each is counted by itself, and all must agree.
        public var rates: [Rate] = []
        /// Connections of one guest at a time over all loops; nil for any number. Only where the connection is the
        /// guest's own: those at the UNIX door are the proxies'.
        public var connectionsMax: Int?

        public init() {}

        public var isEmpty: Bool { rates.isEmpty && connectionsMax == nil }

        /// `[bellhop] guest_limits = standard`: a boot is 28 requests one after another, 31 with keys, so that four
        /// in ten seconds pass, and so does asking twice a second for ever. One connection is what cloud-init has
        /// open at a time.
        public static let standard: Settings = {
            var settings = Settings()
            settings.rates = [
                Rate(
                    windows: [
                        RateLimiter.Window(period: .seconds(10), requestsMax: 125),
                        RateLimiter.Window(period: .seconds(300), requestsMax: 600),
                    ],
                    families: [.ipv4, .ipv6]
                )
            ]
            settings.connectionsMax = 32
            return settings
        }()
    }

    /// Guests remembered by each rate: more than a host has.
    private static let guestsMax = 65_536

    private struct Guest: Hashable {
        var scope: Scope
        var address: IPAddress
    }

    private let rates: Mutex<[RateLimiter]>
    private let connectionsMax: Int?
    private let connections = Mutex<[Guest: Int]>([:])

    /// Nil if nothing is to be limited.
    public init?(_ settings: Settings) {
        guard !settings.isEmpty else { return nil }
        rates = Mutex(
            settings.rates.map {
                RateLimiter(windows: $0.windows, families: $0.families, entriesMax: Self.guestsMax)
            }
        )
        connectionsMax = settings.connectionsMax
    }

    /// Counts a request of a guest; nil if it may go on.
    func refusal(of address: IPAddress, of scope: Scope, now: LoopInstant) -> Verdict? {
        let seconds = rates.withLock { rates in
            // All are counted, also when the first has refused already.
            rates.indices.compactMap { rates[$0].admit(address, of: scope, now: now).retryAfterSeconds }.max()
        }
        return seconds.map { .rateLimited(retryAfter: Int(clamping: $0)) }
    }

    /// Counts a connection of a guest's own; false if it has too many, and then it is not counted.
    func opened(by address: IPAddress, of scope: Scope) -> Bool {
        guard let connectionsMax else { return true }
        return connections.withLock { connections in
            let guest = Guest(scope: scope, address: address)
            let count = connections[guest, default: 0]
            guard count < connectionsMax else { return false }
            connections[guest] = count + 1
            return true
        }
    }

    /// To be called once for every `opened` that was true.
    func closed(by address: IPAddress, of scope: Scope) {
        guard connectionsMax != nil else { return }
        connections.withLock { connections in
            let guest = Guest(scope: scope, address: address)
            guard let count = connections[guest] else { return }
            // Only guests with a connection are kept, so the loops' own bounds bound this too.
            connections[guest] = count > 1 ? count - 1 : nil
        }
    }
}
