/// A log line with everything filled in that stays the same for a second.
struct LogTemplate: Sendable {
    enum Part: Sendable {
        case fixed([UInt8])
        case milliseconds(LogFormat.Conversion)
        case message
    }

    var parts: [Part] = []

    /// Appends a whole line with its end.
    func append(_ message: Span<UInt8>, milliseconds: Int, to text: inout LogText) {
        for part in parts {
            switch part {
            case .fixed(let bytes): text.append(raw: bytes)
            case .milliseconds(let conversion): _ = conversion.append(.integer(milliseconds), to: &text)
            case .message: text.append(escaping: message)
            }
        }
        text.append("\n")
    }
}

extension LogFormatter {
    /// Whether the default format allows for a template: it has no value that changes within a second, except the
    /// milliseconds, and the message stands in it as it is.
    var hasAccessTemplate: Bool {
        defaultFormat.fault == nil
            && defaultFormat.pieces.allSatisfy { piece in
                guard case .field(let key, let conversion) = piece else { return true }
                if key == "message" { return conversion == LogFormat.Conversion() }
                return !["isotime", "created", "thread", "threadName"].contains(key)
            }
            && accessTemplate(LogRecord(level: .info, name: "", message: "")) != nil
    }

    /// The template for lines like `record`, whose message does not count. Nil if the format is faulty.
    func accessTemplate(_ record: LogRecord) -> LogTemplate? {
        var template = LogTemplate()
        var fixed = LogText()
        for piece in defaultFormat.pieces {
            switch piece {
            case .literal(let text): fixed.append(text)
            case .field(let key, let conversion) where key == "msecs" || key == "message":
                template.parts.append(.fixed(fixed.bytes))
                fixed = LogText()
                template.parts.append(key == "message" ? .message : .milliseconds(conversion))
            case .field(let key, let conversion):
                guard let value = value(key, record, isColored: false), conversion.append(value, to: &fixed) else {
                    return nil
                }
            }
        }
        template.parts.append(.fixed(fixed.bytes))
        return template
    }
}
