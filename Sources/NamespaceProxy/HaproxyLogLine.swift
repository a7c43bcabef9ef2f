import Glibc
import HTTPWire
import LinuxHost
import MetadataModel
import RelayLoop
import RequestPath

/// The line per request of haproxy's `option httplog`, as far as it can be said here:
///
///     10.0.0.5:43210 [22/Nov/2026:20:26:13.123] listener listener/metadata 0/0/0/9/9 200 1500 - - ---- 0/0/0/0/0 0/0 "GET / HTTP/1.1"
///
/// The times are milliseconds: reading the request, waiting (held, because the agent was away), connecting, until the
/// agent answered, in all; -1 for steps that were not reached. Connecting is part of the others and 0, and the numbers of
/// connections are not known at this place and 0.
enum HaproxyLogLine {
    /// - Parameter startedAt: when the request arrived; see `time(before:)`.
    static func write(_ record: ExchangeRecord, startedAt: String, line: Span<UInt8>, to output: inout ByteQueue) {
        output.append(record.client.map { "\($0)" } ?? "-")
        output.append(":")
        output.append(decimal: UInt64(record.clientPort))
        output.append(" [")
        output.append(startedAt)
        output.append("] listener listener/")
        // haproxy's name for "no server was asked".
        output.append(reachedServer(record) ? "metadata " : "<NOSRV> ")
        output.append(times(record))
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

    /// Whether the request got as far as the agent's socket.
    private static func reachedServer(_ record: ExchangeRecord) -> Bool {
        switch record.verdict {
        case nil: record.status != 499 || record.scope != nil
        case .backendAway, .backendBroken, .backendTimeout: true
        default: false
        }
    }

    private static func times(_ record: ExchangeRecord) -> String {
        func milliseconds(_ span: LoopSpan) -> Int { Int(span.nanoseconds / 1_000_000) }
        let total = milliseconds(record.duration)
        let reading = record.reading.map(milliseconds) ?? -1
        let held = milliseconds(record.held)
        let answering = max(total - max(reading, 0) - held, 0)
        return switch record.verdict {
        case nil: "\(reading)/\(held)/0/\(answering)/\(total)"
        case .backendAway: "\(reading)/\(held)/-1/-1/\(total)"
        case .backendBroken, .backendTimeout: "\(reading)/\(held)/0/-1/\(total)"
        default: "\(reading)/-1/-1/-1/\(total)"
        }
    }

    /// The local time that long ago, `22/Nov/2026:20:26:13.123`.
    static func time(before duration: LoopSpan) -> String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let milliseconds = now.tv_sec * 1_000 + now.tv_nsec / 1_000_000 - Int(duration.nanoseconds / 1_000_000)
        var seconds = milliseconds / 1_000
        var parts = tm()
        localtime_r(&seconds, &parts)
        let text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: 32) { buffer in
            guard let start = buffer.baseAddress, strftime(start, buffer.count, "%d/%b/%Y:%H:%M:%S", &parts) > 0
            else { return "" }
            return String(cString: start)
        }
        let fraction = String(milliseconds % 1_000)
        return text + "." + String(repeating: "0", count: 3 - fraction.utf8.count) + fraction
    }

    /// Who ended the request, and in which phase.
    private static func termination(_ record: ExchangeRecord) -> String {
        switch record.verdict {
        case nil where record.status == 499: "CH--"
        case nil: "----"
        case .requestTimeout: "cR--"
        case .backendAway: "SC--"
        case .backendTimeout: "sH--"
        case .backendBroken: "SH--"
        default: "PR--"
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
