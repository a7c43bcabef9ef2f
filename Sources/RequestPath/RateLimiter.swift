import MetadataModel
import RelayLoop

/// Decides whether a guest may ask once more: Neutron's `[metadata_rate_limiting]`, counted as haproxy counts it.
///
/// Each source address has a counter per window. Every request bumps all of them first, **denied ones too**, and is
/// denied if a count is then larger than the window's limit. A count is haproxy's two-bucket approximation of a sliding
/// window: the requests of the current period, plus those of the previous one weighted by how much of the current
/// period is left. Periods start with an address's first request, and time has a grain of one millisecond.
///
/// An address that was silent for the longest window starts anew, also as in haproxy with Neutron's tables. At most
/// `entriesMax` addresses are remembered; a new one then takes the place of the one that was silent the longest.
///
/// A request of an address that is known allocates nothing.
public struct RateLimiter: Sendable {
    public struct Window: Hashable, Sendable {
        /// At least a millisecond.
        public let period: LoopSpan
        /// A count above this is denied. 0 denies everything.
        public let requestsMax: UInt32
        /// What a denied request is answered with.
        public let status: Int

        public init(period: LoopSpan, requestsMax: UInt32, status: Int = 429) {
            self.period = LoopSpan(nanoseconds: max(period.nanoseconds, 1_000_000))
            self.requestsMax = requestsMax
            self.status = status
        }
    }

    /// Whose requests are counted; the others are always allowed. haproxy's tables of type `ip` count IPv4, those of
    /// type `ipv6` both.
    public struct Families: OptionSet, Sendable {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// Also guests of a dual-stack listener, whose addresses the kernel reports as `::ffff:a.b.c.d`.
        public static let ipv4 = Families(rawValue: 1)
        public static let ipv6 = Families(rawValue: 2)
    }

    public enum Decision: Hashable, Sendable {
        case allowed
        /// A request after `retryAfter` passes, if none comes before it. With a limit of 0, none ever does, and the
        /// time is the longest window's.
        case denied(status: Int, retryAfter: LoopSpan)

        /// Whole seconds for a Retry-After header, rounded up, at least 1; nil if allowed.
        public var retryAfterSeconds: UInt64? {
            guard case .denied(_, let span) = self else { return nil }
            return max((span.nanoseconds + 999_999_999) / 1_000_000_000, 1)
        }
    }

    /// haproxy's `size 10k` in Neutron's template.
    public static let entriesDefault = 10_240

    private struct Counter {
        /// When the current period began, in milliseconds.
        var start: UInt64
        var current: UInt32 = 0
        var previous: UInt32 = 0
    }

    /// Who is counted.
    private struct Source: Hashable {
        /// Nil where all sources are of one network.
        var scope: Scope?
        var address: IPAddress
    }

    /// One source; the links make a list from the one heard last to the one silent the longest.
    private struct Entry {
        var source: Source
        var lastSeen: UInt64
        var newer: Int
        var older: Int
    }

    private struct Limit {
        let period: UInt64
        let requestsMax: UInt64
        let status: Int
    }

    private static let none = -1

    private let limits: [Limit]
    private let families: Families
    private let entriesMax: Int
    /// Milliseconds of silence after which an address is forgotten.
    private let expiry: UInt64

    private var places: [Source: Int] = [:]
    private var entries: ContiguousArray<Entry> = []
    /// `limits.count` for each entry, in its order.
    private var counters: ContiguousArray<Counter> = []
    private var newest = none
    private var oldest = none
    /// Entries without an address, linked by `older`.
    private var firstFree = none

    /// - Parameters:
    ///   - windows: in the order in which they decide about the status.
    ///   - entriesMax: addresses remembered at once, at least 1; each takes about 150 bytes.
    ///   - expiry: of silent addresses; nil is the longest window.
    public init(
        windows: [Window],
        families: Families = [.ipv4, .ipv6],
        entriesMax: Int = entriesDefault,
        expiry: LoopSpan? = nil
    ) {
        limits = windows.map {
            Limit(period: $0.period.milliseconds, requestsMax: UInt64($0.requestsMax), status: $0.status)
        }
        self.families = families
        self.entriesMax = max(entriesMax, 1)
        self.expiry = max(expiry?.milliseconds ?? limits.map(\.period).max() ?? 1, 1)
    }

    /// How many addresses are remembered.
    public var count: Int { places.count }

    /// Counts a request and decides about it. `now` may not go backwards.
    ///
    /// - Parameter scope: tells sources apart that have the same address on several networks.
    public mutating func admit(_ source: IPAddress, of scope: Scope? = nil, now: LoopInstant) -> Decision {
        guard !limits.isEmpty else { return .allowed }
        let address = Self.unmapped(source)
        guard families.contains(address.isV6 ? .ipv6 : .ipv4) else { return .allowed }

        let now = now.nanoseconds / 1_000_000
        forgetSilent(now)
        let entry = place(of: Source(scope: scope, address: address), now)
        let first = entry * limits.count
        var status: Int?
        var wait: UInt64 = 0
        for (index, limit) in limits.enumerated() {
            Self.bump(&counters[first + index], limit.period, now)
            let counter = counters[first + index]
            if status == nil, Self.count(counter, limit.period, now) > limit.requestsMax { status = limit.status }
            wait = max(wait, Self.wait(counter, limit, now))
        }
        guard let status else { return .allowed }
        // Nobody is remembered for longer than this; the count starts at 1 again.
        let isForgivable = limits.allSatisfy { $0.requestsMax > 0 }
        return .denied(status: status, retryAfter: .milliseconds(isForgivable ? min(wait, expiry) : wait))
    }

    /// A dual-stack listener's spelling of an IPv4 guest, should one get here.
    private static func unmapped(_ address: IPAddress) -> IPAddress {
        if case .v6(high: 0, let low) = address, low >> 32 == 0xFFFF { return .v4(UInt32(truncatingIfNeeded: low)) }
        return address
    }
}

// Counting.
extension RateLimiter {
    private static func bump(_ counter: inout Counter, _ period: UInt64, _ now: UInt64) {
        let elapsed = now > counter.start ? now - counter.start : 0
        if elapsed < period {
            counter.current = counter.current == .max ? .max : counter.current + 1
        } else if elapsed < 2 * period {
            counter = Counter(start: counter.start + period, current: 1, previous: counter.current)
        } else {
            counter = Counter(start: now, current: 1)
        }
    }

    /// Right after a bump, so in the current period.
    private static func count(_ counter: Counter, _ period: UInt64, _ now: UInt64) -> UInt64 {
        let elapsed = now > counter.start ? now - counter.start : 0
        return UInt64(counter.current) + weighted(counter.previous, period - min(elapsed, period), period)
    }

    /// Both factors are bounded: counts by 32 bits, periods by a year in milliseconds (35 bits).
    private static func weighted(_ requests: UInt32, _ remaining: UInt64, _ period: UInt64) -> UInt64 {
        let (product, overflow) = UInt64(requests).multipliedReportingOverflow(by: remaining)
        return overflow ? .max >> 1 : product / period
    }

    /// Milliseconds until one more request would be within the limit, if none comes before; 0 if it would be now.
    ///
    /// The count of that request falls with time: in the current period with the weight of the previous one, in the
    /// next with the weight of the current one, and after that it is 1.
    private static func wait(_ counter: Counter, _ limit: Limit, _ now: UInt64) -> UInt64 {
        let elapsed = now > counter.start ? now - counter.start : 0
        guard limit.requestsMax > 0 else { return limit.period }
        let ahead = UInt64(counter.current) + 1
        if ahead <= limit.requestsMax {
            let moment = moment(counter.previous, limit.requestsMax - ahead, limit.period)
            if moment < limit.period { return moment > elapsed ? moment - elapsed : 0 }
        }
        let next = limit.period + moment(counter.current, limit.requestsMax - 1, limit.period)
        return next > elapsed ? next - elapsed : 0
    }

    /// How far into a period `requests` of the one before weigh at most `room`.
    private static func moment(_ requests: UInt32, _ room: UInt64, _ period: UInt64) -> UInt64 {
        guard UInt64(requests) > room else { return 0 }
        // floor(requests × remaining ÷ period) ≤ room while remaining < (room + 1) × period ÷ requests.
        let (product, overflow) = (room + 1).multipliedReportingOverflow(by: period)
        guard !overflow else { return 0 }
        return period - min((product - 1) / UInt64(requests), period)
    }
}

// Remembering.
extension RateLimiter {
    /// The entry of a source, made if need be, and moved to the front.
    private mutating func place(of source: Source, _ now: UInt64) -> Int {
        if let index = places[source] {
            if now >= entries[index].lastSeen &+ expiry { startAnew(index, now) }
            entries[index].lastSeen = now
            if index != newest {
                unlink(index)
                linkAsNewest(index)
            }
            return index
        }
        if places.count >= entriesMax { forget(oldest) }
        let entry = Entry(source: source, lastSeen: now, newer: Self.none, older: Self.none)
        let index: Int
        if firstFree != Self.none {
            index = firstFree
            firstFree = entries[index].older
            entries[index] = entry
            startAnew(index, now)
        } else {
            index = entries.count
            entries.append(entry)
            for _ in limits { counters.append(Counter(start: now)) }
        }
        places[source] = index
        linkAsNewest(index)
        return index
    }

    private mutating func startAnew(_ index: Int, _ now: UInt64) {
        for counter in index * limits.count..<(index + 1) * limits.count { counters[counter] = Counter(start: now) }
    }

    /// Two at a time: more than come in with one request, so that none stays for long, and never a long pause.
    private mutating func forgetSilent(_ now: UInt64) {
        for _ in 0..<2 where oldest != Self.none && now >= entries[oldest].lastSeen &+ expiry { forget(oldest) }
    }

    private mutating func forget(_ index: Int) {
        guard index != Self.none else { return }
        places[entries[index].source] = nil
        unlink(index)
        entries[index].older = firstFree
        firstFree = index
    }

    private mutating func unlink(_ index: Int) {
        let (newer, older) = (entries[index].newer, entries[index].older)
        if newer == Self.none { newest = older } else { entries[newer].older = older }
        if older == Self.none { oldest = newer } else { entries[older].newer = newer }
    }

    private mutating func linkAsNewest(_ index: Int) {
        entries[index].newer = Self.none
        entries[index].older = newest
        if newest == Self.none { oldest = index } else { entries[newest].newer = index }
        newest = index
    }
}
