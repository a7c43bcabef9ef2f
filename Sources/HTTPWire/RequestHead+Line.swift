// The request line: method, target and version with one blank between them (RFC 9112, section 3).
//
// Some servers repair blanks and odd versions. A metadata service that stands behind one proxy and in front of
// another does not: what two parsers could read differently is refused.

extension RequestHead {
    /// Reads the request line `line`, in which no byte is a control byte.
    mutating func readLine(_ line: ByteRange, in bytes: Span<UInt8>) throws(WireFault) {
        self.line = line
        guard let blank = line.firstOffset(of: Octet.space, in: bytes) else { throw .malformed(.requestLine) }
        methodRange = ByteRange(line.start, to: blank)
        method = try Method(methodRange, in: bytes)
        // There is at least the blank found above, so the last one is never nil.
        let lastBlank = line.lastOffset(of: Octet.space, in: bytes) ?? blank
        guard lastBlank > blank else {
            // "GET /path": the whole request of HTTP/0.9.
            guard blank + 1 < line.end else { throw .malformed(.requestLine) }
            throw .versionNotSupported
        }
        minorVersion = try minorHTTPVersion(ByteRange(lastBlank + 1, to: line.end), in: bytes)
        try readTarget(ByteRange(blank + 1, to: lastBlank), in: bytes)
    }

    private mutating func readTarget(_ written: ByteRange, in bytes: Span<UInt8>) throws(WireFault) {
        guard !written.isEmpty, isTargetText(written, in: bytes) else { throw .malformed(.target) }
        target = written
        if method == .connect || bytes[written.start] == UInt8(ascii: "/") { return }
        if method == .options, written.isExactly("*", in: bytes) { return }
        try readAbsoluteTarget(written, in: bytes)
    }

    /// Cuts off scheme and authority. Which host they name does not matter: there is one service here.
    private mutating func readAbsoluteTarget(_ written: ByteRange, in bytes: Span<UInt8>) throws(WireFault) {
        let authority: Int
        if written.count > 7, ByteRange(start: written.start, count: 7).isFolded("http://", in: bytes) {
            authority = written.start + 7
        } else if written.count > 8, ByteRange(start: written.start, count: 8).isFolded("https://", in: bytes) {
            authority = written.start + 8
        } else {
            throw .malformed(.targetForm)
        }
        var end = authority
        while end < written.end, bytes[end] != UInt8(ascii: "/"), bytes[end] != UInt8(ascii: "?") { end += 1 }
        // An http URL without a host must be refused (RFC 9110, section 4.2.1).
        guard end > authority else { throw .malformed(.targetForm) }
        target = ByteRange(end, to: written.end)
        targetLacksPath = target.isEmpty || bytes[end] == UInt8(ascii: "?")
    }
}

extension RequestHead.Method {
    init(_ name: ByteRange, in bytes: Span<UInt8>) throws(WireFault) {
        guard !name.isEmpty else { throw .malformed(.requestLine) }
        switch name.count {
        case 3 where name.isExactly("GET", in: bytes): self = .get
        case 3 where name.isExactly("PUT", in: bytes): self = .put
        case 4 where name.isExactly("HEAD", in: bytes): self = .head
        case 4 where name.isExactly("POST", in: bytes): self = .post
        case 5 where name.isExactly("PATCH", in: bytes): self = .patch
        case 5 where name.isExactly("TRACE", in: bytes): self = .trace
        case 6 where name.isExactly("DELETE", in: bytes): self = .delete
        case 7 where name.isExactly("OPTIONS", in: bytes): self = .options
        case 7 where name.isExactly("CONNECT", in: bytes): self = .connect
        default:
            for offset in name.start..<name.end where !isTokenByte(bytes[offset]) { throw .malformed(.method) }
            self = .other
        }
    }
}

/// Reads `HTTP/1.x` and returns 0 or 1.
///
/// A later minor version promises to be readable as 1.1 (RFC 9110, section 2.5); another major version does not.
func minorHTTPVersion(_ text: ByteRange, in bytes: Span<UInt8>) throws(WireFault) -> Int {
    guard text.count == 8, ByteRange(start: text.start, count: 5).isExactly("HTTP/", in: bytes),
        bytes[text.start + 6] == UInt8(ascii: ".")
    else { throw .malformed(.version) }
    let major = bytes[text.start + 5] &- UInt8(ascii: "0")
    let minor = bytes[text.start + 7] &- UInt8(ascii: "0")
    guard major <= 9, minor <= 9 else { throw .malformed(.version) }
    guard major == 1 else { throw .versionNotSupported }
    return minor == 0 ? 0 : 1
}
