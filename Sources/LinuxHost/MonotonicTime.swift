import Glibc

/// The clock that nobody sets, in nanoseconds since an arbitrary start.
///
/// A value of its own and not `ContinuousClock`, because systemd wants exactly CLOCK_MONOTONIC and
/// poll(2) wants rounded-up milliseconds.
public struct MonotonicTime: Comparable, Hashable, Sendable {
    public let nanoseconds: Int64

    public init(nanoseconds: Int64) {
        self.nanoseconds = nanoseconds
    }

    public static var now: MonotonicTime {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return MonotonicTime(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
    }

    public var microseconds: Int64 { nanoseconds / 1_000 }

    public func advanced(bySeconds seconds: Int) -> MonotonicTime {
        let (nanosecondsToAdd, overflow) = Int64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, overflow2) = nanoseconds.addingReportingOverflow(nanosecondsToAdd)
        return MonotonicTime(nanoseconds: overflow || overflow2 ? .max : sum)
    }

    public func advanced(byMilliseconds milliseconds: Int) -> MonotonicTime {
        MonotonicTime(nanoseconds: nanoseconds &+ Int64(milliseconds) &* 1_000_000)
    }

    /// The wait until `later` for poll(2): rounded up so that it is never too short, 0 if it has passed.
    public func millisecondsUntil(_ later: MonotonicTime) -> CInt {
        guard later > self else { return 0 }
        let (difference, overflow) = later.nanoseconds.subtractingReportingOverflow(nanoseconds)
        guard !overflow else { return CInt.max }
        return CInt(clamping: difference / 1_000_000 + (difference % 1_000_000 == 0 ? 0 : 1))
    }

    public static func < (left: MonotonicTime, right: MonotonicTime) -> Bool {
        left.nanoseconds < right.nanoseconds
    }
}
