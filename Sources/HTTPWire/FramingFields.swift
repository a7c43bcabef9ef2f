/// The header fields that say where a message ends and whether the connection lives on, collected line by line.
///
/// The syntax is checked here and is the same for both directions; what a combination means is decided by the
/// scanner, because a request is refused where an answer can still be understood (RFC 9112, section 6.3).
struct FramingFields: Sendable {
    private(set) var contentLength: UInt64?
    private(set) var isChunked = false
    private(set) var asksToClose = false
    private(set) var asksToKeepAlive = false

    /// One decimal number. Repeats are tolerated if they say the same; a sign, a list or an empty value is not.
    mutating func readContentLength(_ value: ByteRange, in bytes: Span<UInt8>) throws(WireFault) {
        guard !value.isEmpty else { throw .malformed(.contentLength) }
        var length: UInt64 = 0
        for offset in value.start..<value.end {
            let digit = bytes[offset] &- UInt8(ascii: "0")
            guard digit <= 9 else { throw .malformed(.contentLength) }
            let (tens, overflowsByTen) = length.multipliedReportingOverflow(by: 10)
            let (sum, overflows) = tens.addingReportingOverflow(UInt64(digit))
            guard !overflowsByTen, !overflows else { throw .malformed(.contentLength) }
            length = sum
        }
        if let contentLength, contentLength != length { throw .malformed(.differentContentLengths) }
        contentLength = length
    }

    /// Exactly `chunked`, once: no other coding is undone here, and two of them would mean two framings.
    mutating func readTransferEncoding(_ value: ByteRange, in bytes: Span<UInt8>) throws(WireFault) {
        guard !isChunked, value.isFolded("chunked", in: bytes) else { throw .malformed(.transferEncoding) }
        isChunked = true
    }

    /// A list of tokens; those other than `close` and `keep-alive` name headers that nobody forwards anyway.
    mutating func readConnection(_ value: ByteRange, in bytes: Span<UInt8>) {
        var rest = value
        while !rest.isEmpty {
            let comma = rest.firstOffset(of: Octet.comma, in: bytes) ?? rest.end
            let option = ByteRange(rest.start, to: comma).trimmed(in: bytes)
            if option.isFolded("close", in: bytes) { asksToClose = true }
            if option.isFolded("keep-alive", in: bytes) { asksToKeepAlive = true }
            rest = ByteRange(min(comma + 1, rest.end), to: rest.end)
        }
    }

    /// HTTP/1.1 goes on unless told otherwise, HTTP/1.0 the other way round (RFC 9112, section 9.3).
    func keepsAlive(minorVersion: Int) -> Bool {
        !asksToClose && (minorVersion >= 1 || asksToKeepAlive)
    }
}
