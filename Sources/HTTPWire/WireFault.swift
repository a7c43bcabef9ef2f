/// Why bytes cannot be served as HTTP/1.1. The names are those of the answers: the request path turns each into
/// one status, and a fault in an upstream's answer into 502.
public enum WireFault: Hashable, Sendable, Error {
    /// Not HTTP/1.1, or in a form that two readers could understand differently.
    case malformed(Reason)
    /// A header line, all lines together, or their number is above `HeadLimits`.
    case headTooLarge
    /// The request line is longer than `HeadLimits.lineBytesMax`.
    case targetTooLong
    /// More payload than `BodyReader` was allowed to pass on.
    case bodyTooLarge
    /// HTTP, but not 1.x.
    case versionNotSupported
    /// `Expect` asks for something else than `100-continue`.
    case expectationFailed
    /// The stream ended before the message did.
    case cutShort

    /// What exactly is wrong with malformed bytes, for the log.
    public enum Reason: Hashable, Sendable {
        case controlByte
        case bareCarriageReturn
        case emptyLines
        case requestLine
        case method
        case target
        case targetForm
        case version
        case statusLine
        case foldedLine
        case blankBeforeColon
        case missingColon
        case fieldName
        case repeatedHost
        case contentLength
        case differentContentLengths
        case transferEncoding
        case transferEncodingInHTTP10
        case lengthAndTransferEncoding
        case chunkSize
        case chunkLineTooLong
        case chunkEnd
        case trailer
        case trailersTooLong
    }
}

extension WireFault.Reason: CustomStringConvertible {
    public var description: String {
        switch self {
        case .controlByte: "a control byte"
        case .bareCarriageReturn: "a carriage return without a line feed"
        case .emptyLines: "more than \(RequestHeadScanner.leadingEmptyLinesMax) empty lines before the request line"
        case .requestLine: "the request line is not METHOD TARGET VERSION with one blank between them"
        case .method: "the method is not a token"
        case .target: "the request target has a blank, a fragment or a byte that is not ASCII"
        case .targetForm: "the request target is neither a path nor an http or https URL"
        case .version: "the protocol version is not HTTP/DIGIT.DIGIT"
        case .statusLine: "the status line is not VERSION STATUS REASON"
        case .foldedLine: "a header line begins with a blank"
        case .blankBeforeColon: "a blank between header name and colon"
        case .missingColon: "a header line without a colon"
        case .fieldName: "a header name is empty or not a token"
        case .repeatedHost: "more than one Host header"
        case .contentLength: "Content-Length is not one decimal number below 2^64"
        case .differentContentLengths: "different Content-Length headers"
        case .transferEncoding: "Transfer-Encoding is not exactly chunked"
        case .transferEncodingInHTTP10: "Transfer-Encoding in an HTTP/1.0 request"
        case .lengthAndTransferEncoding: "both Content-Length and Transfer-Encoding"
        case .chunkSize: "a chunk size is not a hexadecimal number below 2^64"
        case .chunkLineTooLong: "a chunk size line is longer than \(BodyReader.chunkLineBytesMax) bytes"
        case .chunkEnd: "a chunk does not end with a line end"
        case .trailer: "a trailer line does not end properly"
        case .trailersTooLong: "trailers are longer than \(BodyReader.trailerBytesMax) bytes"
        }
    }
}

extension WireFault: CustomStringConvertible {
    public var description: String {
        switch self {
        case .malformed(let reason): "malformed: \(reason)"
        case .headTooLarge: "the header is too large"
        case .targetTooLong: "the request line is too long"
        case .bodyTooLarge: "the body is too large"
        case .versionNotSupported: "the protocol version is not HTTP/1.x"
        case .expectationFailed: "an expectation other than 100-continue"
        case .cutShort: "the stream ended before the message"
        }
    }
}
