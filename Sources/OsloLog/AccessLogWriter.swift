import Logging
import Synchronization

/// The access log: one line per request, written in batches.
///
/// Operators search Neutron's logs for the lines of `eventlet.wsgi.server`, so ours come from a logger of that
/// name, at INFO, in `logging_default_format_string`. There are as many of them as requests; hence the head of
/// the line is rendered once per second, and lines collect until `flush()`, which a relay loop calls at the end of
/// a batch of events. May be shared by threads.
public final class AccessLogWriter: Sendable {
    public static let loggerName = "eventlet.wsgi.server"

    /// A batch that grows beyond this is written at once.
    static let bufferBytesMax = 32_768
    /// A longer line is cut.
    static let lineBytesMax = 16_384

    private struct State {
        var buffer = LogText(capacity: 0)
        /// The memory of a batch that has been written, for the next one but one.
        var spare = LogText(capacity: 0)
        var lines = 0
        var template: LogTemplate?
        var second = Int.min
    }

    private let core: LogCore
    private let gate: LogGate
    private let isFast: Bool
    private let now: @Sendable () -> LogTime
    private let state = Mutex(State())

    init(core: LogCore, now: @escaping @Sendable () -> LogTime = { .now }) {
        self.core = core
        self.now = now
        gate = core.thresholds.gate(for: Self.loggerName)
        // Syslog, the journal and JSON want to see every record.
        isFast = core.takesPlainLines && core.formatter.hasAccessTemplate
    }

    /// False if the configuration keeps INFO of this logger out of the log; a line need not be made then.
    public var isEnabled: Bool { gate.level <= .info }

    /// Takes one line without head and end. What is not printable ASCII in it is escaped.
    public func write(_ line: Span<UInt8>) {
        guard isEnabled else { return }
        let line = line.extracting(0..<min(line.count, Self.lineBytesMax))
        let time = now()
        guard isFast else {
            var message = LogText(capacity: line.count)
            message.append(escaping: line)
            core.log(record(String(decoding: message.bytes, as: UTF8.self), time))
            return
        }
        let full: Batch? = state.withLock { state in
            if state.second != time.seconds || state.template == nil {
                state.template = core.formatter.accessTemplate(record("", time))
                state.second = time.seconds
            }
            state.template?.append(line, milliseconds: time.milliseconds, to: &state.buffer)
            state.lines += 1
            return state.buffer.bytes.count >= Self.bufferBytesMax ? Self.take(&state) : nil
        }
        if let full { write(full) }
    }

    /// Writes out what has collected.
    public func flush() {
        if let full = state.withLock({ Self.take(&$0) }) { write(full) }
    }

    private struct Batch {
        var text: LogText
        var lines: Int
    }

    private func write(_ batch: consuming Batch) {
        core.write(lines: batch.text.bytes, count: batch.lines)
        batch.text.removeAll()
        state.withLock { $0.spare = batch.text }
    }

    private func record(_ message: String, _ time: LogTime) -> LogRecord {
        LogRecord(level: .info, name: Self.loggerName, message: message, time: time)
    }

    private static func take(_ state: inout State) -> Batch? {
        guard state.lines > 0 else { return nil }
        var batch = Batch(text: LogText(capacity: 0), lines: state.lines)
        swap(&batch.text, &state.buffer)
        swap(&state.buffer, &state.spare)
        state.lines = 0
        return batch
    }
}
