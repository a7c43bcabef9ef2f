import RelayLoop

/// What a storm is to do. Everything in it is bounded; `validated` says what is too much.
public struct StormPlan: Sendable {
    public enum Activity: Hashable, Sendable {
        /// Each guest boots once; their beginnings are spread evenly over this time.
        case boot(arrival: LoopSpan)
        /// Each guest asks for its meta_data.json so often, each at its own moment.
        case poll(every: LoopSpan)
    }

    /// Each has one connection at a time.
    public static let guestsMax = 20_000
    public static let targetsMax = 4_096
    public static let hostileMax = 4_096
    public static let secondsMax = 86_400.0
    /// Descriptors that are not connections.
    private static let descriptorsReserved = 64

    public var guests = 1
    public var targets: [StormTarget]
    public var profile = GuestProfile.release22
    public var activity = Activity.boot(arrival: .zero)
    /// When to stop whatever is not over, counted from the beginning.
    public var secondsMax = 900.0
    /// Share of the guests that ask as fast as they can and never boot.
    public var abusivePercent = 0.0
    /// Clients beside the guests that do not speak HTTP as they should.
    public var hostile = 0
    /// A 404 for user_data counts as lost: the operator knows that every instance has some.
    public var expectsUserData = false
    /// One range of addresses for all targets together: guests are numbered through.
    public var sharesSources = false

    public init(targets: [StormTarget]) {
        self.targets = targets
    }

    /// Pairs what stands on the command line: one of each kind goes with every other, several with their like.
    ///
    /// - Throws: `StormError` if the numbers do not match.
    public static func targets(
        at: [String],
        namespaces: [String],
        sources: [String]
    ) throws(StormError) -> [StormTarget] {
        let at = at.isEmpty && !namespaces.isEmpty ? ["169.254.169.254:80"] : at
        let count = max(at.count, namespaces.count)
        guard count > 0 else { throw StormError("--at or --namespace is needed: where should guests ask?") }
        guard at.count == 1 || at.count == count, [0, 1, count].contains(namespaces.count) else {
            throw StormError(
                "\(at.count) times --at and \(namespaces.count) times --namespace: give one of either, or as many of both."
            )
        }
        guard [0, 1, count].contains(sources.count) else {
            throw StormError("\(sources.count) times --source for \(count) targets: give one, or as many.")
        }
        var targets: [StormTarget] = []
        for index in 0..<count {
            let range = sources.isEmpty ? nil : sources[sources.count == 1 ? 0 : index]
            targets.append(
                try StormTarget(
                    at[at.count == 1 ? 0 : index],
                    namespace: namespaces.isEmpty ? nil : namespaces[namespaces.count == 1 ? 0 : index],
                    sources: try range.map { text throws(StormError) in try AddressRange(text) }
                )
            )
        }
        return targets
    }

    /// - Parameter openFilesMax: the process's limit.
    /// - Throws: `StormError` for the first bound that does not hold.
    public func validated(openFilesMax: UInt64) throws(StormError) {
        try Self.check(guests, in: 1...Self.guestsMax, "guests")
        try Self.check(targets.count, in: 1...Self.targetsMax, "targets")
        try Self.check(hostile, in: 0...Self.hostileMax, "hostile clients")
        guard (0...100).contains(abusivePercent) else {
            throw StormError("The abusive share must be 0 to 100 percent.")
        }
        guard secondsMax > 0, secondsMax <= Self.secondsMax else {
            throw StormError("The time must be more than 0 and at most \(Int(Self.secondsMax)) seconds.")
        }
        if case .poll(let every) = activity, every < .milliseconds(10) {
            throw StormError("Polling more often than every 0.01 s is what --abusive is for.")
        }
        let needed = guests + hostile + targets.count + Self.descriptorsReserved
        guard openFilesMax >= UInt64(needed) else {
            throw StormError(
                "\(guests) guests and \(hostile) hostile clients need \(needed) open files, and the limit is"
                    + " \(openFilesMax): raise it with ulimit -n."
            )
        }
    }

    private static func check(_ value: Int, in range: ClosedRange<Int>, _ what: String) throws(StormError) {
        guard range.contains(value) else {
            throw StormError("\(value) \(what): it must be \(range.lowerBound) to \(range.upperBound).")
        }
    }

    // MARK: Who is where

    /// One client of the storm: which target it asks, and as the how manieth there.
    struct Seat: Equatable {
        var target: Int
        /// Number of its address in the target's range.
        var source: Int
        var isAbusive: Bool
    }

    /// The guests go round the targets; hostile clients go on behind them, so that they take no guest's address as long
    /// as there are enough.
    func seat(of client: Int) -> Seat {
        Seat(
            target: client % targets.count,
            source: sharesSources ? client : client / targets.count,
            isAbusive: client < guests && isAbusive(client)
        )
    }

    var abusiveCount: Int { Int((Double(guests) * abusivePercent / 100).rounded(.up)) }

    /// Spread evenly over all guests.
    private func isAbusive(_ guest: Int) -> Bool {
        (guest + 1) * abusiveCount / guests > guest * abusiveCount / guests
    }

    /// When a guest begins, counted from the storm's beginning.
    func beginning(of guest: Int) -> LoopSpan {
        let span =
            switch activity {
            case .boot(let arrival): arrival
            case .poll(let every): every
            }
        return LoopSpan(nanoseconds: UInt64(Double(span.nanoseconds) * Double(guest) / Double(guests)))
    }
}
