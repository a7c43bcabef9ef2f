import LinuxHost

/// One JSON object per line, with oslo.log's members in oslo.log's order (`use_json`).
///
/// Metadata that is not context is the member `extra`.
struct JSONFormatter: Sendable {
    private let dateFormat: String
    private let hostName: String
    private let started: LogTime
    private let mainThread: UInt

    init(_ settings: LogSettings, mainThread: UInt, started: LogTime = .now, hostName: String = HostName.current) {
        dateFormat = settings.dateFormat
        self.mainThread = mainThread
        self.started = started
        self.hostName = hostName
    }

    func line(_ record: LogRecord) -> [UInt8] {
        var json = JSONText()
        json.beginObject()
        json.member("message", record.message)
        json.member("asctime", record.time.formatted(dateFormat))
        json.member("name", record.name)
        json.member("msg", record.message)
        json.member("args", raw: "[]")
        json.member("levelname", record.level.name)
        json.member("levelno", raw: "\(record.level.rawValue)")
        json.member("pathname", record.file)
        json.member("filename", record.fileName)
        json.member("module", String(record.fileName.prefix { $0 != "." }))
        json.member("lineno", raw: "\(record.line)")
        json.member("funcname", record.function)
        json.member("created", raw: decimal(record.time.seconds, record.time.nanoseconds / 1_000, digits: 6))
        json.member("msecs", raw: "\(record.time.milliseconds).0")
        json.member("relative_created", raw: relativeMilliseconds(record.time))
        json.member("thread", raw: "\(record.thread)")
        json.member("thread_name", record.thread == mainThread ? "MainThread" : "Thread-\(record.thread)")
        json.member("process_name", "MainProcess")
        json.member("process", raw: "\(record.process)")
        json.member("traceback", raw: "null")
        json.member("hostname", hostName)
        json.member("error_summary", record.errorSummary ?? "")
        json.beginObject("context")
        for (key, value) in record.context.sorted(by: { $0.key < $1.key }) { json.member(key, value) }
        json.endObject()
        json.beginObject("extra")
        for (key, value) in record.extra { json.member(key, value) }
        json.endObject()
        json.endObject()
        return json.text.bytes
    }

    private func relativeMilliseconds(_ time: LogTime) -> String {
        let microseconds =
            (time.seconds - started.seconds) * 1_000_000 + (time.nanoseconds - started.nanoseconds) / 1_000
        // The clock may have been set back since the start.
        let sign = microseconds < 0 ? "-" : ""
        let magnitude = abs(microseconds)
        return sign + decimal(magnitude / 1_000, magnitude % 1_000, digits: 3)
    }

    private func decimal(_ whole: Int, _ fraction: Int, digits: Int) -> String {
        var text = LogText(capacity: 32)
        text.append(decimal: whole, digits: 1)
        text.append(".")
        text.append(decimal: fraction, digits: digits)
        return String(decoding: text.bytes, as: UTF8.self)
    }
}

/// JSON as Python's `json.dumps` spaces it, ASCII only.
private struct JSONText {
    var text = LogText(capacity: 512)
    private var needsComma = false

    mutating func beginObject(_ key: String? = nil) {
        if let key { begin(key) }
        text.append("{")
        needsComma = false
    }

    mutating func endObject() {
        text.append("}")
        needsComma = true
    }

    mutating func member(_ key: String, _ value: String) {
        begin(key)
        quote(value)
    }

    mutating func member(_ key: String, raw value: String) {
        begin(key)
        text.append(value)
    }

    private mutating func begin(_ key: String) {
        if needsComma { text.append(", ") }
        needsComma = true
        quote(key)
        text.append(": ")
    }

    private mutating func quote(_ string: String) {
        text.append("\"")
        for unit in string.utf16 {
            switch unit {
            case 0x22: text.append("\\\"")
            case 0x5C: text.append("\\\\")
            case 0x0A: text.append("\\n")
            case 0x0D: text.append("\\r")
            case 0x09: text.append("\\t")
            case 0x20...0x7E: text.append(raw: CollectionOfOne(UInt8(truncatingIfNeeded: unit)))
            default:
                text.append("\\u")
                text.append(hexadecimal: UInt32(unit), digits: 4)
            }
        }
        text.append("\"")
    }
}
