import Glibc
import HTTPWire
import LinuxHost
import MetadataModel
import RelayLoop
import RequestPath

/// The line per request of haproxy's `option httplog`, as far as it can be said here:
///
///     10.0.0.5:0 [22/Nov/2026:20:26:13.123] listener listener/metadata 0/0/0/9/9 200 1500 - - ---- 0/0/0/0/0 0/0 "GET / HTTP/1.1"
///
/// The times are milliseconds: reading, waiting, connecting (all 0 here), until the answer, in all. The guest's port and
/// the numbers of connections are not known at this place and are 0.
enum HaproxyLogLine {
    /// - Parameter startedAt: when the request arrived; see `time(before:)`.
    static func write(_ record: ExchangeRecord, startedAt: String, line: Span<UInt8>, to output: inout ByteQueue) {
        let milliseconds = record.duration.nanoseconds / 1_000_000
        output.append(record.client.map { "\($0)" } ?? "-")
        output.append(":0 [")
        output.append(startedAt)
        output.append("] listener listener/")
        // haproxy's name for "no server was asked".
        output.append(record.verdict == nil ? "metadata" : "<NOSRV>")
        output.append(" 0/0/0/")
        output.append(decimal: milliseconds)
        output.append(byte: UInt8(ascii: "/"))
        output.append(decimal: milliseconds)
        output.append(byte: UInt8(ascii: " "))
        output.append(decimal: UInt64(max(record.status, 0)))
        output.append(byte: UInt8(ascii: " "))
        output.append(decimal: record.bytesSent)
        output.append(" - - ")
        output.append(termination(record))
        output.append(" 0/0/0/0/0 0/0 \"")
        quote(line, to: &output)
        output.append("\"")
    }

    /// The local time that long ago, `22/Nov/2026:20:26:13.123`.
    static func time(before duration: LoopSpan) -> String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let milliseconds = now.tv_sec * 1_000 + now.tv_nsec / 1_000_000 - Int(duration.nanoseconds / 1_000_000)
        var seconds = milliseconds / 1_000
        var parts = tm()
        localtime_r(&seconds, &parts)
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        func digits(_ number: Int, _ count: Int) -> String {
            let text = String(number)
            return String(repeating: "0", count: max(count - text.count, 0)) + text
        }
        let date = "\(digits(Int(parts.tm_mday), 2))/\(months[Int(parts.tm_mon) % 12])/\(Int(parts.tm_year) + 1_900)"
        let time = "\(digits(Int(parts.tm_hour), 2)):\(digits(Int(parts.tm_min), 2)):\(digits(Int(parts.tm_sec), 2))"
        return "\(date):\(time).\(digits(milliseconds % 1_000, 3))"
    }

    /// Who ended the request, and in which phase.
    private static func termination(_ record: ExchangeRecord) -> String {
        switch record.status {
        case 499: "CD--"
        case 408: "cR--"
        case 503 where record.verdict != nil: "SC--"
        case 504 where record.verdict != nil: "sH--"
        case 502 where record.verdict != nil: "SH--"
        case 400..<500 where record.verdict != nil: "PR--"
        default: "----"
        }
    }

    /// As haproxy does, with `#XX` for what cannot stand in a line.
    private static func quote(_ bytes: Span<UInt8>, to output: inout ByteQueue) {
        if bytes.isEmpty { return output.append("<BADREQ>") }
        for index in 0..<min(bytes.count, AccessLine.requestLineBytesMax) {
            let byte = bytes[index]
            if byte < 0x20 || byte > 0x7E || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "#") {
                let digits = Array("0123456789ABCDEF".utf8)
                output.append(byte: UInt8(ascii: "#"))
                output.append(byte: digits[Int(byte >> 4)])
                output.append(byte: digits[Int(byte & 15)])
            } else {
                output.append(byte: byte)
            }
        }
    }
}
