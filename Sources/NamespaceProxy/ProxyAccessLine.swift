import MetadataModel
import RelayLoop
import RequestPath

/// The line per request that the original's WSGI server wrote:
/// `10.0.0.5 "GET /latest/meta-data HTTP/1.1" status: 200  len: 321 time: 0.0123456`.
enum ProxyAccessLine {
    /// The most of a request line that is logged, in bytes.
    static let requestLineBytesMax = 2_048

    static func append(_ record: ExchangeRecord, line: Span<UInt8>, to output: inout [UInt8]) {
        append(record.client?.description ?? "-", to: &output)
        append(" \"", to: &output)
        let shown = line.extracting(0..<min(line.count, requestLineBytesMax))
        for index in shown.indices {
            // A guest must not close the quotes. Control characters are the writer's affair.
            if shown[index] == UInt8(ascii: "\"") || shown[index] == UInt8(ascii: "\\") {
                output.append(UInt8(ascii: "\\"))
            }
            output.append(shown[index])
        }
        append("\" status: \(record.status)  len: \(record.bytesSent) time: ", to: &output)
        append(seconds(record.duration), to: &output)
    }

    /// Seven decimals, as eventlet writes them.
    static func seconds(_ span: LoopSpan) -> String {
        let fraction = String(span.nanoseconds % 1_000_000_000 / 100)
        let zeros = String(repeating: "0", count: 7 - fraction.utf8.count)
        return "\(span.nanoseconds / 1_000_000_000).\(zeros)\(fraction)"
    }

    private static func append(_ text: String, to output: inout [UInt8]) {
        output.append(contentsOf: text.utf8)
    }
}
