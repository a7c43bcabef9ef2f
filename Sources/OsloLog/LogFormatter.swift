/// Turns records into oslo.log's lines.
///
/// A line of the default format is
/// `2026-11-22 20:33:19.123 4242 INFO neutron.agent.metadata.agent [-] text key=value`, where the metadata behind
/// the message is ours. The formats are settings; they are compiled once.
struct LogFormatter: Sendable {
    let defaultFormat: LogFormat
    private let contextFormat: LogFormat
    private let debugSuffix: LogFormat
    private let instanceFormat: LogFormat
    private let identityFormat: LogFormat
    private let dateFormat: String
    private let project: String
    private let version: String
    private let mainThread: UInt

    init(_ settings: LogSettings, mainThread: UInt) {
        defaultFormat = LogFormat(settings.defaultFormat)
        contextFormat = LogFormat(settings.contextFormat)
        debugSuffix = LogFormat(settings.debugFormatSuffix)
        instanceFormat = LogFormat(settings.instanceFormat)
        identityFormat = LogFormat(settings.userIdentityFormat)
        dateFormat = settings.dateFormat
        project = settings.product
        version = settings.version
        self.mainThread = mainThread
    }

    /// The line without its end.
    ///
    /// - Parameter isColored: whether `%(color)s` stands for the level's colour; the line then ends by
    ///   switching it off.
    func line(_ record: LogRecord, isColored: Bool = false) -> [UInt8] {
        var text = LogText()
        let fault = render(record, isColored: isColored, into: &text)
        guard let fault else { return text.bytes }
        // oslo.log would print a traceback and lose the line. The message is kept: it may be the one that counts.
        var replacement = LogText()
        replacement.append("formatting error: ")
        replacement.append(escaping: fault)
        replacement.append(" in the logging format options; \(record.level.name) \(record.name): ")
        Self.appendMessage(record, to: &replacement)
        return replacement.bytes
    }

    private func render(_ record: LogRecord, isColored: Bool, into text: inout LogText) -> String? {
        let format = record.hasRequest ? contextFormat : defaultFormat
        let value = { (key: String) in self.value(key, record, isColored: isColored) }
        if let fault = format.render(into: &text, value) { return fault }
        if !format.contains("error_summary"), let summary = record.errorSummary {
            text.append(": ")
            text.append(escaping: summary)
        }
        if record.level == .debug, !debugSuffix.pieces.isEmpty || debugSuffix.fault != nil {
            text.append(" ")
            if let fault = debugSuffix.render(into: &text, value) { return fault }
        }
        if isColored { text.append("\u{1B}[00m") }
        return nil
    }

    func value(_ key: String, _ record: LogRecord, isColored: Bool) -> LogFormat.Value? {
        switch key {
        case "asctime": return .trusted(record.time.formatted(dateFormat))
        case "msecs": return .integer(record.time.milliseconds)
        case "created": return .float(Double(record.time.seconds) + Double(record.time.nanoseconds) / 1e9)
        case "isotime": return .trusted(record.time.iso)
        case "process": return .integer(record.process)
        case "processName": return .trusted("MainProcess")
        case "thread": return .integer(Int(bitPattern: record.thread))
        case "threadName": return .trusted(record.thread == mainThread ? "MainThread" : "Thread-\(record.thread)")
        case "levelname": return .trusted(record.level.name)
        case "levelno": return .integer(record.level.rawValue)
        case "name": return .text(record.name)
        case "message":
            var message = LogText()
            Self.appendMessage(record, to: &message)
            return .trusted(String(decoding: message.bytes, as: UTF8.self))
        case "pathname": return .text(record.file)
        case "filename": return .text(record.fileName)
        case "module": return .text(String(record.fileName.prefix { $0 != "." }))
        case "lineno": return .integer(record.line)
        case "funcName": return .text(record.function)
        case "color": return .trusted(isColored ? record.level.color : "")
        case "reset_color": return .trusted(isColored ? "\u{1B}[00m" : "")
        case "error_summary": return .text(record.errorSummary ?? "-")
        case "instance": return .trusted(instance(record))
        case "user_identity": return .trusted(userIdentity(record))
        case "version": return .trusted(version)
        case "project": return .text(record.context[key] ?? project)
        case "resource": return .trusted("")
        default:
            if let text = record.context[key] { return .text(text) }
            return LogRecord.contextKeys.contains(key) ? .trusted("") : nil
        }
    }

    /// Message and metadata: ` key=value` per entry, in quotes where a blank could hide the next key.
    static func appendMessage(_ record: LogRecord, to text: inout LogText) {
        text.append(escaping: record.message)
        for (key, value) in record.extra {
            text.append(" ")
            text.append(escaping: key)
            text.append("=")
            if value.isEmpty || value.utf8.contains(where: { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\"") }) {
                text.append("\"")
                text.append(
                    escaping: value.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\\\"")
                )
                text.append("\"")
            } else {
                text.append(escaping: value)
            }
        }
    }

    private func instance(_ record: LogRecord) -> String {
        guard let uuid = record.context["instance"] ?? record.context["resource_uuid"] else { return "" }
        var text = LogText(capacity: 64)
        let fault = instanceFormat.render(into: &text) { $0 == "uuid" ? .text(uuid) : nil }
        return fault == nil ? String(decoding: text.bytes, as: UTF8.self) : "[instance: \(uuid.debugDescription)] "
    }

    private func userIdentity(_ record: LogRecord) -> String {
        if let identity = record.context["user_identity"] { return identity.debugEscaped }
        guard record.hasRequest else { return "" }
        var text = LogText(capacity: 64)
        // What is not known is shown as a dash, whatever it is called.
        let fault = identityFormat.render(into: &text) {
            .text(record.context[$0].flatMap { $0.isEmpty ? nil : $0 } ?? "-")
        }
        return fault == nil ? String(decoding: text.bytes, as: UTF8.self) : "-"
    }
}

extension LogRecord {
    /// oslo.log adds the exception behind a line from WARNING on.
    var errorSummary: String? { level >= .warning ? error : nil }

    var fileName: String { file.split(separator: "/").last.map(String.init) ?? "" }
}

extension String {
    /// Safe to stand in a line.
    fileprivate var debugEscaped: String {
        var text = LogText(capacity: utf8.count)
        text.append(escaping: self)
        return String(decoding: text.bytes, as: UTF8.self)
    }
}
