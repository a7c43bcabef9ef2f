import Glibc
import LinuxHost
import Synchronization

@testable import OsloLog

/// All times of these tests are in a zone with summer time, whatever the machine's is.
let zone: Bool = {
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1)
    tzset()
    return true
}()

/// A quarter to ten in the evening of 22 November 2026, local time.
let evening = LogTime(seconds: 1_795_379_599, nanoseconds: 7_000_000)

func record(
    _ message: String = "text",
    level: LogLevel = .info,
    name: String = "neutron.agent.metadata.agent",
    time: LogTime = evening
) -> LogRecord {
    _ = zone
    var record = LogRecord(level: level, name: name, message: message, time: time, process: 4242, thread: 1)
    record.file = "a/b.py"
    record.function = "run"
    record.line = 12
    return record
}

func formatter(_ change: (inout LogSettings) -> Void = { _ in }) -> LogFormatter {
    var settings = LogSettings(program: "neutron-metadata-agent")
    change(&settings)
    return LogFormatter(settings, mainThread: 1)
}

func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

/// A clock that moves when the test says so.
final class ManualTime: Sendable {
    private let value = Mutex(MonotonicTime(nanoseconds: 0))
    func advance(seconds: Int) { value.withLock { $0 = $0.advanced(bySeconds: seconds) } }
    var clock: @Sendable () -> MonotonicTime { { self.value.withLock { $0 } } }
}
