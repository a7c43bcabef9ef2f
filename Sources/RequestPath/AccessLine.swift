import HTTPWire
import MetadataModel
import RelayLoop

/// The line per request that Neutron's WSGI servers wrote until 2024.2 and operators search for:
/// `10.0.0.5,<local> "GET /latest/meta-data HTTP/1.1" status: 200  len: 321 time: 0.0123456`.
public enum AccessLine {
    /// The most of a request line that is logged, in bytes.
    public static let requestLineBytesMax = 2_048

    /// Appends the line to `output`, without head and end.
    public static func write(_ record: ExchangeRecord, line: Span<UInt8>, to output: inout ByteQueue) {
        // The agent's socket has no address of its own: `<local>` stands for it, behind the forwarded one.
        switch (record.isForwarded, record.client) {
        case (true, .some(let client)):
            output.append(client)
            output.append(",<local>")
        case (true, nil): output.append("<local>")
        case (false, .some(let client)): output.append(client)
        case (false, nil): output.append("-")
        }
        output.append(" \"")
        appendQuoted(line.extracting(0..<min(line.count, requestLineBytesMax)), to: &output)
        output.append("\" status: ")
        output.append(decimal: UInt64(max(record.status, 0)))
        output.append("  len: ")
        output.append(decimal: record.bytesSent)
        output.append(" time: ")
        appendSeconds(record.duration.nanoseconds, to: &output)
    }

    /// A guest must not close the quotes. Control characters cannot stand in a request line that was accepted, and
    /// whoever writes the log escapes them once more.
    private static func appendQuoted(_ bytes: Span<UInt8>, to output: inout ByteQueue) {
        var start = 0
        for index in bytes.indices where bytes[index] == UInt8(ascii: "\"") || bytes[index] == UInt8(ascii: "\\") {
            output.append(bytes.extracting(start..<index))
            output.append(byte: UInt8(ascii: "\\"))
            start = index
        }
        output.append(bytes.extracting(start..<bytes.count))
    }

    /// Seven decimals, as eventlet writes them.
    private static func appendSeconds(_ nanoseconds: UInt64, to output: inout ByteQueue) {
        output.append(decimal: nanoseconds / 1_000_000_000)
        output.append(byte: UInt8(ascii: "."))
        var fraction = nanoseconds % 1_000_000_000 / 100
        var divisor: UInt64 = 1_000_000
        while divisor > 0 {
            output.append(byte: UInt8(ascii: "0") + UInt8(fraction / divisor))
            fraction %= divisor
            divisor /= 10
        }
    }
}
