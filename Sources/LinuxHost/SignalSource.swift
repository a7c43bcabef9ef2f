import CLinuxHost
import Glibc

/// The signals an operator sends to a daemon.
public enum HostSignal: Hashable, Sendable, CaseIterable {
    /// SIGTERM: stop.
    case terminate
    /// SIGINT: stop, from a terminal.
    case interrupt
    /// SIGHUP: read the configuration again, open the log file again.
    case hangUp
    /// SIGUSR1: finish what was begun, then stop; haproxy's soft stop.
    case finish

    /// What most daemons listen to. `finish` takes its default action elsewhere.
    public static let usual: [HostSignal] = [.terminate, .interrupt, .hangUp]

    public var number: CInt {
        switch self {
        case .terminate: SIGTERM
        case .interrupt: SIGINT
        case .hangUp: SIGHUP
        case .finish: SIGUSR1
        }
    }

    public init?(number: CInt) {
        guard let signal = Self.allCases.first(where: { $0.number == number }) else { return nil }
        self = signal
    }

    /// True for those that ask the program to end.
    public var endsProgram: Bool { self != .hangUp }
}

/// Signals as events on a descriptor, so that no code ever runs inside a signal handler.
///
/// Make it before the first other thread: threads inherit the blocked signals from the one that starts
/// them, and a signal that is not blocked somewhere would take its default action there. It must be made
/// after `Daemon.daemonize`, whose waiting parent should still end at once by SIGTERM.
public struct SignalSource: Sendable {
    /// A signalfd: readable when a signal waits. For poll or epoll (level-triggered).
    public let descriptor: CInt

    /// The process's one source, made at the first use: touch it in `main`, on the main thread, before anything is
    /// awaited, so that no thread exists in which a signal could take its default action.
    public static let process: Result<SignalSource, HostError> = {
        do throws(HostError) { return .success(try SignalSource()) } catch { return .failure(error) }
    }()

    /// Blocks the signals in this thread and its later ones, and makes a write to a closed pipe or socket
    /// an error instead of the program's end. There should be one source in a process; it lives as long.
    public init(_ signals: [HostSignal] = HostSignal.usual) throws(HostError) {
        let numbers = signals.map(\.number)
        guard clinuxhost_ignore_broken_pipes() == 0,
            clinuxhost_block_signals(numbers, CInt(numbers.count)) == 0
        else { throw Self.unavailable(errno) }
        descriptor = clinuxhost_signal_descriptor(numbers, CInt(numbers.count))
        guard descriptor >= 0 else { throw Self.unavailable(errno) }
    }

    private static func unavailable(_ reason: CInt) -> HostError {
        HostError(.signalsUnavailable, "Cannot receive signals: \(systemReason(reason)).", errorNumber: reason)
    }

    /// The next waiting signal, or nil if there is none.
    public func next() -> HostSignal? {
        let number = clinuxhost_next_signal(descriptor)
        return number > 0 ? HostSignal(number: number) : nil
    }

    /// Waits for a signal: the whole life of a main thread whose other threads do the work.
    public func wait() -> HostSignal {
        while true {
            if let signal = wait(milliseconds: -1) { return signal }
        }
    }

    /// Waits for a signal for at most this long; negative means without end. Nil if none came.
    public func wait(milliseconds: Int) -> HostSignal? {
        var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&waiting, 1, CInt(clamping: milliseconds)) > 0 ? next() : nil
    }

    /// Lets this thread take the signals' default actions again. For tests, which share a process.
    static func unblock(_ signals: [HostSignal]) {
        _ = clinuxhost_unblock_signals(signals.map(\.number), CInt(signals.count))
    }

    /// For programs that never make a source but write to pipes all the same.
    public static func ignoreBrokenPipes() {
        _ = clinuxhost_ignore_broken_pipes()
    }
}
