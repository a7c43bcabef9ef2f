/// The kinds of byte that RFC 9110 and RFC 9112 tell apart, one byte at a time and eight at a time.
///
/// Nearly all time in a scan goes into two questions: where is the next control byte (a line end, or a
/// fault), and is this a proper name. Both are asked of eight bytes at once.

/// The bytes with a meaning of their own in a head.
enum Octet {
    static let tab: UInt8 = 0x09
    static let lineFeed: UInt8 = 0x0A
    static let carriageReturn: UInt8 = 0x0D
    static let space: UInt8 = 0x20
    static let comma = UInt8(ascii: ",")
    static let colon = UInt8(ascii: ":")
}

@inline(__always)
func isBlank(_ byte: UInt8) -> Bool {
    byte == Octet.space || byte == Octet.tab
}

/// True for 0x00–0x1F and 0x7F. Bytes from 0x80 are text (`obs-text`).
@inline(__always)
func isControl(_ byte: UInt8) -> Bool {
    byte < 0x20 || byte == 0x7F
}

@inline(__always)
func lowercased(_ byte: UInt8) -> UInt8 {
    byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
}

/// True for the `tchar` of RFC 9110, section 5.6.2: what a header name or a method is made of.
@inline(__always)
func isTokenByte(_ byte: UInt8) -> Bool {
    // One bit per ASCII code: !#$%&'*+-. and digits, then letters ^ _ ` | ~.
    let low: UInt64 = 0x03FF_6CFA_0000_0000
    let high: UInt64 = 0x57FF_FFFF_C7FF_FFFE
    guard byte < 0x80 else { return false }
    return (byte < 0x40 ? low >> UInt64(byte) : high >> UInt64(byte - 0x40)) & 1 == 1
}

/// Eight neighbouring bytes, the first one lowest. A *mark* is the top bit of a byte's place.
struct ByteWord {
    static let ones: UInt64 = 0x0101_0101_0101_0101
    static let marks: UInt64 = 0x8080_8080_8080_8080

    let bits: UInt64

    @inline(__always)
    init(_ bits: UInt64) {
        self.bits = bits
    }

    /// Reads eight bytes; checked against the bounds of `bytes`.
    @inline(__always)
    init(_ bytes: Span<UInt8>, at offset: Int) {
        // Any eight bytes are a valid UInt64, so "unsafe" has no meaning here beyond the name.
        bits = UInt64(littleEndian: bytes.bytes.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    /// Marks bytes below `limit` (at most 0x80). Only the lowest mark is exact: borrowing can mark the places
    /// above a true one.
    @inline(__always)
    func marksBelow(_ limit: UInt8) -> UInt64 {
        (bits &- Self.ones &* UInt64(limit)) & ~bits & Self.marks
    }

    /// Marks bytes equal to `byte`; only the lowest mark is exact.
    @inline(__always)
    func marksEqual(to byte: UInt8) -> UInt64 {
        ByteWord(bits ^ Self.ones &* UInt64(byte)).marksBelow(1)
    }

    /// True if all eight are letters or dashes, as in nearly every header name.
    @inline(__always)
    var isLettersAndDashes: Bool {
        // With the top bits clear no sum carries into its neighbour, so all marks are exact.
        guard bits & Self.marks == 0 else { return false }
        let folded = bits | Self.ones &* 0x20
        let fromA = folded &+ Self.ones &* (0x80 - 0x61)
        let aboveZ = folded &+ Self.ones &* (0x80 - 0x7B)
        let notDash = (bits ^ Self.ones &* 0x2D) &+ Self.ones &* 0x7F
        return (fromA & ~aboveZ | ~notDash) & Self.marks == Self.marks
    }
}

/// Offset of the first control byte in `start ..< end`, or `end`.
@inline(__always)
func firstControl(in bytes: Span<UInt8>, from start: Int, to end: Int) -> Int {
    var offset = start
    while end - offset >= 8 {
        let word = ByteWord(bytes, at: offset)
        let found = word.marksBelow(0x20) | word.marksEqual(to: 0x7F)
        if found != 0 { return offset + found.trailingZeroBitCount >> 3 }
        offset += 8
    }
    while offset < end, !isControl(bytes[offset]) { offset += 1 }
    return offset
}

/// True if all of `range` may stand in a request target: visible ASCII without `#`, which begins a fragment and
/// is never sent (RFC 9112, section 3.2).
@inline(__always)
func isTargetText(_ range: ByteRange, in bytes: Span<UInt8>) -> Bool {
    var offset = range.start
    while range.end - offset >= 8 {
        let word = ByteWord(bytes, at: offset)
        let found =
            word.bits & ByteWord.marks | word.marksBelow(0x21) | word.marksEqual(to: 0x7F)
            | word.marksEqual(to: UInt8(ascii: "#"))
        if found != 0 { return false }
        offset += 8
    }
    while offset < range.end {
        let byte = bytes[offset]
        guard (0x21...0x7E).contains(byte), byte != UInt8(ascii: "#") else { return false }
        offset += 1
    }
    return true
}
