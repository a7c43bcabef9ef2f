/// What the head of an answer says, as far as a relay needs it. Ranges lie inside the first `byteCount` of the bytes
/// that were scanned.
public struct ResponseHead: Hashable, Sendable {
    /// 100 to 999. An interim answer (1xx) comes like any other: without a body, and another head follows it.
    public var status: Int
    /// 0 or 1; HTTP/1.2 and later count as 1.1.
    public var minorVersion: Int
    /// Bytes of the head, including the empty line at its end.
    public var byteCount: Int
    /// The first `Content-Type` that is not empty.
    public var contentType: ByteRange?
    /// The first `Retry-After` that is not empty: seconds or a date, not checked.
    public var retryAfter: ByteRange?
    public var framing: BodyFraming
    /// What `Content-Length` says: the length a GET would have had, in an answer to HEAD that carries no body.
    public var contentLength: UInt64?
    /// Whether the connection may be used again after this answer's body. Never true if the body ends with the
    /// connection, or if its framing is doubtful.
    public var keepsAlive: Bool
}

extension ResponseHead {
    init() {
        status = 0
        minorVersion = 1
        byteCount = 0
        contentType = nil
        retryAfter = nil
        framing = .none
        contentLength = nil
        keepsAlive = false
    }

    /// Reads `HTTP/1.x STATUS REASON`; the reason may be missing together with its blank (RFC 9112, section 4).
    mutating func readLine(_ line: ByteRange, in bytes: Span<UInt8>) throws(WireFault) {
        let versionByteCount = 8
        guard line.count >= versionByteCount else { throw .malformed(.statusLine) }
        minorVersion = try minorHTTPVersion(ByteRange(start: line.start, count: versionByteCount), in: bytes)
        let statusStart = line.start + versionByteCount + 1
        guard line.end >= statusStart + 3, bytes[statusStart - 1] == Octet.space,
            line.end == statusStart + 3 || bytes[statusStart + 3] == Octet.space
        else { throw .malformed(.statusLine) }
        for offset in statusStart..<statusStart + 3 {
            let digit = bytes[offset] &- UInt8(ascii: "0")
            guard digit <= 9 else { throw .malformed(.statusLine) }
            status = status * 10 + Int(digit)
        }
        guard status >= 100 else { throw .malformed(.statusLine) }
    }
}
