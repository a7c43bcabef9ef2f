import Glibc

/// A moment on the monotonic clock, in nanoseconds. Every deadline of the data plane is one.
public struct LoopInstant: Hashable, Comparable, Sendable {
    public var nanoseconds: UInt64

    public init(nanoseconds: UInt64) {
        self.nanoseconds = nanoseconds
    }

    /// Reads the clock. The loop does so once per batch of events; use its `now` inside handlers.
    public static var now: LoopInstant {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return LoopInstant(nanoseconds: UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec))
    }

    public static func < (left: LoopInstant, right: LoopInstant) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// Saturates at zero and at the end of time, so that no setting can overflow.
    public static func + (instant: LoopInstant, span: LoopSpan) -> LoopInstant {
        let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(span.nanoseconds)
        return LoopInstant(nanoseconds: overflow ? .max : sum)
    }

    /// How long after `earlier` this is; zero if it is before.
    public func since(_ earlier: LoopInstant) -> LoopSpan {
        LoopSpan(nanoseconds: nanoseconds > earlier.nanoseconds ? nanoseconds - earlier.nanoseconds : 0)
    }
}

/// A length of time in nanoseconds, never negative. (`Duration` is 128 bits wide and slower to compare; the
/// data plane compares deadlines for every request.)
public struct LoopSpan: Hashable, Comparable, Sendable {
    public var nanoseconds: UInt64

    public init(nanoseconds: UInt64) {
        self.nanoseconds = nanoseconds
    }

    public static let zero = LoopSpan(nanoseconds: 0)

    public static func milliseconds(_ count: UInt64) -> LoopSpan {
        LoopSpan(nanoseconds: count &* 1_000_000)
    }

    /// Negative and absurd values become zero and a year.
    public static func seconds(_ count: Double) -> LoopSpan {
        let bounded = min(max(count, 0), 31_536_000)
        return LoopSpan(nanoseconds: UInt64(bounded * 1e9))
    }

    public var milliseconds: UInt64 { nanoseconds / 1_000_000 }
    public var seconds: Double { Double(nanoseconds) / 1e9 }

    public static func < (left: LoopSpan, right: LoopSpan) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// Saturates at zero.
    public static func - (left: LoopSpan, right: LoopSpan) -> LoopSpan {
        LoopSpan(nanoseconds: left.nanoseconds > right.nanoseconds ? left.nanoseconds - right.nanoseconds : 0)
    }
}
