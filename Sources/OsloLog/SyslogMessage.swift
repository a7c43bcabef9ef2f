/// The datagrams that syslog(3) sends to /dev/log: `<priority>Nov 22 20:33:19 program: line`.
struct SyslogMessage: Sendable {
    static let socketPath = "/dev/log"

    let program: String
    /// 0 to 23, as in RFC 5424.
    let facility: Int

    /// rsyslog's own limit; longer lines are cut rather than refused.
    private static let lineBytesMax = 8_000

    func encode(_ record: LogRecord, line: [UInt8]) -> [UInt8] {
        var text = LogText(capacity: line.count + 64)
        text.append("<\(facility << 3 | record.level.syslogSeverity)>")
        // RFC 3164: a day below ten has a blank in front.
        text.append(record.time.formatted("%b %e %H:%M:%S "))
        text.append(escaping: program)
        text.append(": ")
        text.append(raw: line.prefix(Self.lineBytesMax))
        return text.bytes
    }

    /// The number of `syslog_log_facility`, written with or without `LOG_` and in any case. Nil if there is none.
    static func facility(_ text: String) -> Int? {
        let name = text.uppercased()
        let names = [
            "KERN", "USER", "MAIL", "DAEMON", "AUTH", "SYSLOG", "LPR", "NEWS", "UUCP", "CRON", "AUTHPRIV", "FTP",
        ]
        let short = name.hasPrefix("LOG_") ? String(name.dropFirst(4)) : name
        if let index = names.firstIndex(of: short) { return index }
        guard short.hasPrefix("LOCAL"), short.utf8.count == 6, let number = Int(short.dropFirst(5)), number < 8
        else { return nil }
        return 16 + number
    }
}
