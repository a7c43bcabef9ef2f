import Glibc

/// Trying again while an address is still held by a process that is just ending.
///
/// An agent that restarts a proxy starts the new one before the old one's port is free, so Neutron's server
/// tried every tenth of a second for `retry_until_window` seconds.
public struct BindRetry: Sendable {
    /// How long to go on; 0 tries once.
    public var windowSeconds: Int
    public var intervalMilliseconds: Int
    /// The clock.
    public var now: @Sendable () -> MonotonicTime
    /// Waits; returns false if the waiting is to end now, for example because of a signal.
    public var pause: @Sendable (_ milliseconds: Int) -> Bool

    public init(
        windowSeconds: Int,
        intervalMilliseconds: Int = 100,
        now: @escaping @Sendable () -> MonotonicTime = { .now },
        pause: @escaping @Sendable (_ milliseconds: Int) -> Bool = { milliseconds in
            poll(nil, 0, CInt(clamping: milliseconds))
            return true
        }
    ) {
        self.windowSeconds = windowSeconds
        self.intervalMilliseconds = intervalMilliseconds
        self.now = now
        self.pause = pause
    }

    enum Outcome: Equatable {
        case bound
        case failed(CInt)
        case interrupted
    }

    /// - Parameter attempt: 0, or the `errno` of the failure. Only `EADDRINUSE` is worth another try.
    func run(_ attempt: () -> CInt) -> Outcome {
        let deadline = now().advanced(bySeconds: windowSeconds)
        while true {
            let reason = attempt()
            if reason == 0 { return .bound }
            guard reason == EADDRINUSE, now() < deadline else { return .failed(reason) }
            guard pause(intervalMilliseconds) else { return .interrupted }
        }
    }
}
