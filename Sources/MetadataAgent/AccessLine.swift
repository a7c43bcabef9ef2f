import HTTPWire
import RequestPath

/// The line per request that Neutron's agents wrote until 2024.2 and operators search for:
/// `10.0.0.5,<local> "GET /latest/meta-data HTTP/1.1" status: 200  len: 321 time: 0.0123456`.
enum AccessLine {
    /// The most of a request line that is logged, in bytes.
    static let requestLineBytesMax = 2_048

    static func write(_ record: ExchangeRecord, line: Span<UInt8>, to output: inout ByteQueue) {
        if let client = record.client {
            output.append(client.description)
            output.append(",")
        }
        output.append("<local> \"")
        appendPrintable(line.extracting(0..<min(line.count, requestLineBytesMax)), to: &output)
        output.append("\" status: ")
        output.append(decimal: UInt64(max(record.status, 0)))
        output.append("  len: ")
        output.append(decimal: record.bytesSent)
        output.append(" time: ")
        appendSeconds(record.duration.nanoseconds, to: &output)
    }

    /// A guest must not be able to end the line, close the quotes or colour the terminal.
    private static func appendPrintable(_ bytes: Span<UInt8>, to output: inout ByteQueue) {
        for index in bytes.indices {
            let byte = bytes[index]
            if (0x20...0x7E).contains(byte), byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") {
                output.append(byte: byte)
            } else {
                output.append("\\x")
                output.append(byte: hexadecimalDigit(byte >> 4))
                output.append(byte: hexadecimalDigit(byte & 0xF))
            }
        }
    }

    private static func hexadecimalDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
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
