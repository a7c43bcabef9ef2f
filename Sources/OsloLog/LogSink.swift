import Glibc
import LinuxHost

/// Somewhere lines go. Writing never throws and never stops the program: what cannot be written is counted,
/// and the count is reported when writing works again.
protocol LogSink: AnyObject, Sendable {
    /// Writes one record's line, which comes without its end.
    func write(_ record: LogRecord, line: [UInt8])
    /// Writes whole lines, each with its end. Only for sinks that take plain text; see `takesPlainLines`.
    func write(lines: [UInt8], count: Int)
    /// True for files and standard streams, which need nothing but the bytes.
    var takesPlainLines: Bool { get }
    /// Opens what is behind the sink anew, after a log rotation or a restart of the syslog daemon.
    func reopen()
}

/// Lines that could not be written since the last one that could.
struct LostLines: Sendable, Equatable {
    private(set) var count = 0
    private(set) var reason: CInt = 0

    mutating func add(_ lines: Int, reason: CInt) {
        count += lines
        self.reason = reason
    }

    /// The sentence for the log, or nil if nothing was lost.
    var report: String? {
        guard count > 0 else { return nil }
        return "\(count) log line\(count == 1 ? " was" : "s were") lost: \(systemReason(reason))"
    }

    mutating func reset() { self = LostLines() }
}

/// The record that tells about lost lines.
func lostLinesRecord(_ report: String) -> LogRecord {
    LogRecord(level: .warning, name: "bellhop.log", message: report)
}
