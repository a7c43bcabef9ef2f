import LinuxHost

/// At most so many records per interval (`rate_limit_*` of oslo.log); the more severe ones always pass.
struct LogRateLimit: Sendable, Equatable {
    enum Decision: Equatable {
        case pass
        /// The first one too many in this interval: it is replaced by a sentence that says so.
        case announce
        case drop
    }

    let intervalSeconds: Int
    let burst: Int
    /// Nil: nothing is exempt.
    let exceptLevel: LogLevel?
    private var count = 0
    private var end = MonotonicTime(nanoseconds: 0)

    /// Nil if the options switch limiting off.
    init?(intervalSeconds: Int, burst: Int, exceptLevel: String) {
        guard intervalSeconds > 0, burst > 0 else { return nil }
        self.intervalSeconds = intervalSeconds
        self.burst = burst
        self.exceptLevel = LogLevel.allCases.first { $0.name == exceptLevel }
    }

    mutating func decide(_ level: LogLevel, now: MonotonicTime) -> Decision {
        if let exceptLevel, level >= exceptLevel { return .pass }
        if now >= end {
            end = now.advanced(bySeconds: intervalSeconds)
            count = 0
        }
        count += 1
        return count <= burst ? .pass : count == burst + 1 ? .announce : .drop
    }

    var announcement: String { "Logging rate limit: drop after \(burst) records/\(intervalSeconds) sec" }
}
