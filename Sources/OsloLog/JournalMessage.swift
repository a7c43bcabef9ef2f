/// The journal's native protocol: `FIELD=value` lines in one datagram, so that `journalctl` can search by field.
///
/// See systemd's "Native Journal Protocol". Spoken here because libsystemd would be a shared library more.
struct JournalMessage: Sendable {
    static let socketPath = "/run/systemd/journal/socket"

    let program: String
    let facility: Int
    let mainThread: UInt

    /// A datagram has to fit into the socket's buffer; nothing we log comes near.
    private static let lineBytesMax = 32_000

    func encode(_ record: LogRecord, line: [UInt8]) -> [UInt8] {
        var text = LogText(capacity: line.count + 512)
        append("MESSAGE", line.prefix(Self.lineBytesMax), to: &text)
        append("PRIORITY", "\(record.level.syslogSeverity)", to: &text)
        append("SYSLOG_IDENTIFIER", program, to: &text)
        append("SYSLOG_FACILITY", "\(facility)", to: &text)
        append("CODE_FILE", record.file, to: &text)
        append("CODE_LINE", "\(record.line)", to: &text)
        append("CODE_FUNC", record.function, to: &text)
        append("LOGGER_NAME", record.name, to: &text)
        append("LOGGER_LEVEL", record.level.name, to: &text)
        append("THREAD_NAME", record.thread == mainThread ? "MainThread" : "Thread-\(record.thread)", to: &text)
        append("PROCESS_NAME", "MainProcess", to: &text)
        if let error = record.errorSummary { append("EXCEPTION_TEXT", error, to: &text) }
        for key in ["request_id", "project_name", "project_id", "user_name", "user_id"] {
            if let value = record.context[key] { append(key.uppercased(), value, to: &text) }
        }
        return text.bytes
    }

    private func append(_ field: String, _ value: String, to text: inout LogText) {
        append(field, Array(value.utf8), to: &text)
    }

    /// A value with a line break has its length, 64 bits little-endian, in front instead of the equals sign.
    private func append(_ field: String, _ value: some Collection<UInt8>, to text: inout LogText) {
        text.append(field)
        if value.contains(UInt8(ascii: "\n")) {
            text.append("\n")
            withUnsafeBytes(of: UInt64(value.count).littleEndian) { text.append(raw: $0) }
        } else {
            text.append("=")
        }
        text.append(raw: value)
        text.append("\n")
    }
}
