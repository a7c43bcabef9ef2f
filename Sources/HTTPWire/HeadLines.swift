/// Cuts growing bytes into lines, looking at every byte once however small the pieces come: a guest that sends a
/// head byte by byte costs no more than one that sends it whole.
///
/// A line ends with CRLF or a bare LF (RFC 9112, section 2.2); Neutron 2025.2's agent writes the latter. Every other
/// control byte is a fault wherever it stands, except a tab in a header line.
struct HeadLines: Sendable {
    private let lineBytesMax: Int
    private let headBytesMax: Int
    /// Offset of the current line's first byte.
    private(set) var lineStart = 0
    /// Offset of the first byte that was not looked at; a CR whose LF is missing counts as not looked at.
    private(set) var searched = 0

    init(_ limits: HeadLimits) {
        lineBytesMax = max(limits.lineBytesMax, 0)
        headBytesMax = max(limits.headBytesMax, 0)
    }

    mutating func reset() {
        lineStart = 0
        searched = 0
    }

    /// The next line without its end, or nil if more bytes are needed.
    ///
    /// - Parameters:
    ///   - allowsTabs: true for header lines.
    ///   - tooLong: the fault to throw at a limit.
    @inline(__always)
    mutating func next(
        in bytes: Span<UInt8>,
        allowsTabs: Bool,
        tooLong: WireFault
    ) throws(WireFault) -> ByteRange? {
        // Bytes behind the head's limit are never looked at, so the answer is the same whether or not they came along.
        let visible = min(bytes.count, headBytesMax)
        let isLineLimited = visible - lineStart > lineBytesMax
        let stop = isLineLimited ? lineStart + lineBytesMax + 1 : visible
        var offset = searched
        search: while true {
            offset = firstControl(in: bytes, from: offset, to: stop)
            guard offset < stop else { break }
            switch bytes[offset] {
            case Octet.carriageReturn:
                guard offset + 1 < visible else {
                    searched = offset
                    if visible == headBytesMax { throw tooLong }
                    return nil
                }
                guard bytes[offset + 1] == Octet.lineFeed else { throw .malformed(.bareCarriageReturn) }
                return line(to: offset, next: offset + 2)
            case Octet.lineFeed:
                return line(to: offset, next: offset + 1)
            case Octet.tab where allowsTabs:
                offset += 1
            default:
                throw .malformed(.controlByte)
            }
        }
        searched = offset
        if isLineLimited || visible == headBytesMax { throw tooLong }
        return nil
    }

    @inline(__always)
    private mutating func line(to end: Int, next: Int) -> ByteRange {
        let line = ByteRange(lineStart, to: end)
        lineStart = next
        searched = next
        return line
    }
}
