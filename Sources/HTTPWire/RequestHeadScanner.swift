/// Reads a request's head, strictly: whatever a guest could use to make this hop and the next one see different
/// requests (smuggling), or to pass itself off as another guest, is refused rather than repaired.
///
/// A value-type machine: it is given all bytes from the first one of the head again and again as they grow, looks
/// at each of them once, allocates nothing, and answers the same however the bytes were split. After `complete` or
/// `fault` it is ready for the next head.
public struct RequestHeadScanner: Sendable {
    /// Empty lines tolerated before the request line; old clients send one after a POST (RFC 9112, section 2.2).
    public static let leadingEmptyLinesMax = 2

    private enum Place: Sendable {
        case beforeRequestLine(emptyLines: Int)
        case headers
    }

    private let headersMax: Int
    private var lines: HeadLines
    private var place = Place.beforeRequestLine(emptyLines: 0)
    private var head = RequestHead()
    private var framing = FramingFields()
    private var headers = 0
    private var hasHost = false
    private var hasForwardedFor = false
    private var expectation = Expectation.none

    private enum Expectation: Sendable {
        case none, proceed, other
    }

    public init(limits: HeadLimits = HeadLimits()) {
        headersMax = max(limits.headersMax, 0)
        lines = HeadLines(limits)
    }

    /// Forgets the bytes seen so far.
    public mutating func reset() {
        lines.reset()
        place = .beforeRequestLine(emptyLines: 0)
        head = RequestHead()
        framing = FramingFields()
        headers = 0
        hasHost = false
        hasForwardedFor = false
        expectation = .none
    }

    /// Goes on with the head that starts at the first of `bytes`.
    ///
    /// Between two calls `bytes` only grows at its end. Fewer bytes than last time are taken as a new head.
    public mutating func scan(_ bytes: Span<UInt8>) -> HeadScan<RequestHead> {
        if bytes.count < lines.searched { reset() }
        do throws(WireFault) {
            guard try advance(bytes) else { return .needMore }
            defer { reset() }
            return .complete(head)
        } catch {
            reset()
            return .fault(error)
        }
    }

    /// - Returns: true if `head` is complete.
    private mutating func advance(_ bytes: Span<UInt8>) throws(WireFault) -> Bool {
        while case .beforeRequestLine(let emptyLines) = place {
            guard let line = try lines.next(in: bytes, allowsTabs: false, tooLong: .targetTooLong) else { return false }
            if line.isEmpty {
                guard emptyLines < Self.leadingEmptyLinesMax else { throw .malformed(.emptyLines) }
                place = .beforeRequestLine(emptyLines: emptyLines + 1)
            } else {
                try head.readLine(line, in: bytes)
                place = .headers
            }
        }
        while let line = try lines.next(in: bytes, allowsTabs: true, tooLong: .headTooLarge) {
            if line.isEmpty {
                try complete()
                return true
            }
            guard headers < headersMax else { throw .headTooLarge }
            headers += 1
            try readHeader(line, in: bytes)
        }
        return false
    }

    @inline(__always)
    private mutating func readHeader(_ line: ByteRange, in bytes: Span<UInt8>) throws(WireFault) {
        let (name, colon) = try FieldName.read(from: line, in: bytes, toleratesBlank: false)
        // Compared as a whole name, so that no other spelling counts: some servers take X_Forwarded_For for the
        // real one, and HAProxy lets it pass.
        switch name.count {
        case 4 where name.isSpelled("host"):
            if hasHost { throw .malformed(.repeatedHost) }
            hasHost = true
        case 10 where name.isSpelled("connection"):
            framing.readConnection(value(of: line, from: colon, in: bytes), in: bytes)
        case 14 where name.isSpelled("content-length"):
            try framing.readContentLength(value(of: line, from: colon, in: bytes), in: bytes)
        case 17 where name.isSpelled("transfer-encoding"):
            try framing.readTransferEncoding(value(of: line, from: colon, in: bytes), in: bytes)
        case 6 where name.isSpelled("expect"):
            readExpect(value(of: line, from: colon, in: bytes), in: bytes)
        case 20 where name.isSpelled("x-neutron-network-id"):
            head.networkID.add(value(of: line, from: colon, in: bytes), in: bytes)
        case 19 where name.isSpelled("x-neutron-router-id"):
            head.routerID.add(value(of: line, from: colon, in: bytes), in: bytes)
        case 15 where name.isSpelled("x-forwarded-for"):
            readForwardedFor(value(of: line, from: colon, in: bytes), in: bytes)
        case 14 where name.isSpelled("x-bellhop-held"):
            let held = value(of: line, from: colon, in: bytes)
            head.heldMilliseconds = held.isEmpty ? nil : held
        default:
            break
        }
    }

    /// The last element only: whatever stands before it came from further away than the hop next to us.
    private mutating func readForwardedFor(_ value: ByteRange, in bytes: Span<UInt8>) {
        let comma = value.lastOffset(of: Octet.comma, in: bytes)
        if hasForwardedFor || comma != nil { head.forwardedForIsList = true }
        hasForwardedFor = true
        let element = comma.map { ByteRange($0 + 1, to: value.end).trimmed(in: bytes) } ?? value
        head.forwardedFor = element.isEmpty ? nil : element
    }

    /// Only remembered: a head that is malformed as well must be reported as malformed.
    private mutating func readExpect(_ value: ByteRange, in bytes: Span<UInt8>) {
        guard !value.isEmpty else { return }
        if !value.isFolded("100-continue", in: bytes) {
            expectation = .other
        } else if expectation == .none {
            expectation = .proceed
        }
    }

    private mutating func complete() throws(WireFault) {
        if framing.isChunked {
            // The classic of request smuggling: one hop counts bytes, the other chunks (RFC 9112, section 11.2).
            guard framing.contentLength == nil else { throw .malformed(.lengthAndTransferEncoding) }
            guard head.minorVersion >= 1 else { throw .malformed(.transferEncodingInHTTP10) }
            head.framing = .chunked
        } else if let length = framing.contentLength {
            head.framing = .length(length)
        }
        if expectation == .other { throw .expectationFailed }
        let hasBody = head.framing != .none && head.framing != .length(0)
        head.expectsContinue = expectation == .proceed && hasBody && head.minorVersion >= 1
        head.keepsAlive = framing.keepsAlive(minorVersion: head.minorVersion)
        head.byteCount = lines.lineStart
    }
}
