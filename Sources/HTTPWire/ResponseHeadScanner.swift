/// Reads the head of an answer from Nova, from the agent, or from a Python agent of any release: bare line feeds, names
/// in any case and blanks before a colon are accepted, because upstreams send them; control bytes and folded lines are
/// not.
///
/// Works like `RequestHeadScanner`: every byte looked at once, nothing allocated, ready for the next head afterwards.
public struct ResponseHeadScanner: Sendable {
    private let headersMax: Int
    private var lines: HeadLines
    private var hasStatusLine = false
    private var head = ResponseHead()
    private var framing = FramingFields()
    private var headers = 0

    public init(limits: HeadLimits = HeadLimits()) {
        headersMax = max(limits.headersMax, 0)
        lines = HeadLines(limits)
    }

    /// Forgets the bytes seen so far.
    public mutating func reset() {
        lines.reset()
        hasStatusLine = false
        head = ResponseHead()
        framing = FramingFields()
        headers = 0
    }

    /// Goes on with the head that starts at the first of `bytes`, which only grow at their end between two calls.
    ///
    /// - Parameter method: what was asked; an answer to HEAD has no body whatever its headers say.
    public mutating func scan(_ bytes: Span<UInt8>, answering method: RequestHead.Method) -> HeadScan<ResponseHead> {
        if bytes.count < lines.searched { reset() }
        do throws(WireFault) {
            guard try advance(bytes, answering: method) else { return .needMore }
            defer { reset() }
            return .complete(head)
        } catch {
            reset()
            return .fault(error)
        }
    }

    /// - Returns: true if `head` is complete.
    private mutating func advance(
        _ bytes: Span<UInt8>,
        answering method: RequestHead.Method
    ) throws(WireFault) -> Bool {
        while let line = try lines.next(in: bytes, allowsTabs: true, tooLong: .headTooLarge) {
            if !hasStatusLine {
                try head.readLine(line, in: bytes)
                hasStatusLine = true
            } else if line.isEmpty {
                complete(answering: method)
                return true
            } else {
                guard headers < headersMax else { throw .headTooLarge }
                headers += 1
                try readHeader(line, in: bytes)
            }
        }
        return false
    }

    @inline(__always)
    private mutating func readHeader(_ line: ByteRange, in bytes: Span<UInt8>) throws(WireFault) {
        let (name, colon) = try FieldName.read(from: line, in: bytes, toleratesBlank: true)
        switch name.count {
        case 10 where name.isSpelled("connection"):
            framing.readConnection(value(of: line, from: colon, in: bytes), in: bytes)
        case 14 where name.isSpelled("content-length"):
            try framing.readContentLength(value(of: line, from: colon, in: bytes), in: bytes)
        case 17 where name.isSpelled("transfer-encoding"):
            try framing.readTransferEncoding(value(of: line, from: colon, in: bytes), in: bytes)
        case 12 where name.isSpelled("content-type") && head.contentType == nil:
            let type = value(of: line, from: colon, in: bytes)
            if !type.isEmpty { head.contentType = type }
        case 11 where name.isSpelled("retry-after") && head.retryAfter == nil:
            let retryAfter = value(of: line, from: colon, in: bytes)
            if !retryAfter.isEmpty { head.retryAfter = retryAfter }
        default:
            break
        }
    }

    /// Decides where the body ends, in the order of RFC 9112, section 6.3.
    private mutating func complete(answering method: RequestHead.Method) {
        var isDoubtful = false
        switch head.status {
        case 100..<200, 204:
            head.framing = .none
            // No body is allowed here; a server that announces one may also send it.
            isDoubtful = framing.isChunked || framing.contentLength ?? 0 > 0
        case _ where method == .head || head.status == 304,
            200..<300 where method == .connect:
            head.framing = .none
        case _ where framing.isChunked:
            head.framing = .chunked
            // A length beside chunks, or chunks in HTTP/1.0: read them, but trust nothing behind them.
            isDoubtful = framing.contentLength != nil || head.minorVersion == 0
        default:
            if let length = framing.contentLength {
                head.framing = .length(length)
            } else {
                head.framing = .untilClose
                isDoubtful = true
            }
        }
        head.contentLength = framing.contentLength
        head.keepsAlive = !isDoubtful && framing.keepsAlive(minorVersion: head.minorVersion)
        head.byteCount = lines.lineStart
    }
}
