/// When a heartbeat is due.
struct HeartbeatSchedule {
    /// `.zero` for none.
    let interval: Duration
    private var last: ContinuousClock.Instant

    init(interval: Duration, from start: ContinuousClock.Instant) {
        self.interval = interval
        last = start
    }

    func isDue(at now: ContinuousClock.Instant) -> Bool {
        interval > .zero && now - last >= interval
    }

    /// `time`, or less if a heartbeat is due sooner.
    func limit(_ time: Duration, at now: ContinuousClock.Instant) -> Duration {
        interval > .zero ? min(time, max(interval - (now - last), .zero)) : time
    }

    mutating func sent(at now: ContinuousClock.Instant) {
        last = now
    }
}
