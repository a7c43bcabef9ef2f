import Glibc
import LinuxHost
import Logging
import Synchronization

/// What all loggers of a program share: formatter, thresholds and sinks.
final class LogCore: Sendable {
    private struct Output: Sendable {
        var sink: any LogSink
        var isColored = false
    }

    let thresholds: LogThresholds
    let formatter: LogFormatter
    private let json: JSONFormatter?
    private let outputs: [Output]
    private let rateLimit: Mutex<LogRateLimit?>

    /// Opens the log file and connects to the log daemons.
    init(_ settings: LogSettings) throws(LogError) {
        let mainThread = UInt(pthread_self())
        let formatter = LogFormatter(settings, mainThread: mainThread)
        let json = settings.usesJSON ? JSONFormatter(settings, mainThread: mainThread) : nil
        self.formatter = formatter
        self.json = json
        thresholds = LogThresholds(root: settings.isDebug ? .debug : settings.quietLevel, rules: settings.levels)
        rateLimit = Mutex(settings.rateLimit)

        let report: @Sendable (LogRecord) -> [UInt8] = { json?.line($0) ?? formatter.line($0) }
        var outputs: [Output] = []
        if let path = settings.filePath {
            let sink = try FileSink(
                path: path,
                watches: settings.watchesFile,
                rotation: settings.rotation,
                mode: Self.fileMode(),
                formatReport: report
            )
            outputs.append(Output(sink: sink))
        }
        if settings.usesStandardError {
            let sink = StreamSink(descriptor: STDERR_FILENO, formatReport: report)
            outputs.append(Output(sink: sink, isColored: settings.isColored))
        }
        if settings.usesStandardOutput {
            let sink = StreamSink(descriptor: STDOUT_FILENO, formatReport: report)
            outputs.append(Output(sink: sink, isColored: settings.isColored))
        }
        if settings.usesJournal {
            let message = JournalMessage(
                program: settings.program,
                facility: settings.facility,
                mainThread: mainThread
            )
            outputs.append(
                Output(
                    sink: DatagramSink(path: JournalMessage.socketPath, encode: message.encode, formatReport: report)
                )
            )
        }
        if settings.usesSyslog {
            let message = SyslogMessage(program: settings.program, facility: settings.facility)
            outputs.append(
                Output(sink: DatagramSink(path: SyslogMessage.socketPath, encode: message.encode, formatReport: report))
            )
        }
        self.outputs = outputs
    }

    /// 0644 less what the operator's umask takes away, remembered because a daemon's own umask is 0.
    private static func fileMode() -> mode_t {
        let mask = umask(0o022)
        umask(mask)
        return 0o644 & ~mask
    }

    /// Whether lines can be handed over as bytes that are formatted beforehand.
    var takesPlainLines: Bool {
        json == nil && rateLimit.withLock { $0 == nil }
            && outputs.allSatisfy { $0.sink.takesPlainLines && !$0.isColored }
    }

    func log(_ record: LogRecord) {
        let decision = rateLimit.withLock { $0?.decide(record.level, now: .now) ?? .pass }
        switch decision {
        case .pass: emit(record)
        case .announce:
            guard let text = rateLimit.withLock({ $0?.announcement }) else { return }
            emit(LogRecord(level: record.level, name: "oslo_log.rate_limit", message: text))
        case .drop: return
        }
    }

    private func emit(_ record: LogRecord) {
        let plain = json?.line(record) ?? formatter.line(record)
        for output in outputs {
            let isColored = output.isColored && json == nil
            output.sink.write(record, line: isColored ? formatter.line(record, isColored: true) : plain)
        }
    }

    /// - Parameter lines: whole lines, each with its end. Only if `takesPlainLines`.
    func write(lines: [UInt8], count: Int) {
        for output in outputs { output.sink.write(lines: lines, count: count) }
    }

    func reopen() {
        for output in outputs { output.sink.reopen() }
    }
}
