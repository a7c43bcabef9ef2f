import RelayLoop

/// When to ask the DNS again. Pure: the resolver's thread tells it the time and what happened.
struct ResolverSchedule {
    /// How old an answer may get. getaddrinfo does not tell the record's TTL, and a moved VIP must be found
    /// without a restart.
    var refreshInterval = LoopSpan.seconds(30)
    /// The least time between two lookups, however many connections fail.
    var demandInterval = LoopSpan.seconds(1)

    private var lastStart: LoopInstant?
    private var isDemanded = false

    init() {}

    /// A connection failed, or somebody found no address.
    ///
    /// - Returns: true if this is news, so that the resolver's thread has to be woken.
    mutating func demand() -> Bool {
        defer { isDemanded = true }
        return !isDemanded
    }

    /// How long to wait from `now` on before the next lookup; zero if it is due.
    func wait(at now: LoopInstant) -> LoopSpan {
        guard let lastStart else { return .zero }
        return (lastStart + (isDemanded ? demandInterval : refreshInterval)).since(now)
    }

    /// A lookup begins. What was demanded before it is answered by it.
    mutating func start(at now: LoopInstant) {
        lastStart = now
        isDemanded = false
    }
}
