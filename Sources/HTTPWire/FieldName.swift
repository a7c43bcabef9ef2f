/// A header name, folded to lower case and packed into three words, so that telling the few names that matter from
/// the rest is a comparison of integers. Names longer than 24 bytes are none of ours and compare as unknown.
struct FieldName {
    /// Bytes of the name.
    private(set) var count = 0
    private var first: UInt64 = 0
    private var second: UInt64 = 0
    private var third: UInt64 = 0

    /// Reads the name at the start of a header line.
    ///
    /// - Parameter toleratesBlank: true where blanks before the colon are removed instead of refused
    ///   (answers; RFC 9112, section 5.1).
    /// - Returns: the name and the offset of its colon.
    @inline(__always)
    static func read(
        from line: ByteRange,
        in bytes: Span<UInt8>,
        toleratesBlank: Bool
    ) throws(WireFault) -> (name: FieldName, colon: Int) {
        var name = FieldName()
        if name.readQuickly(line, in: bytes) { return (name, line.start + name.count) }
        return try readChecked(from: line, in: bytes, toleratesBlank: toleratesBlank)
    }

    @inline(__always)
    private init() {}

    /// Eight bytes at a time, for a name of letters and dashes that is directly followed by its colon.
    ///
    /// - Returns: false if it is anything else, or if it stands too close to the end of `bytes` for this.
    @inline(__always)
    private mutating func readQuickly(_ line: ByteRange, in bytes: Span<UInt8>) -> Bool {
        var offset = line.start
        var place = 0
        while bytes.count - offset >= 8 {
            let word = ByteWord(bytes, at: offset)
            let colons = word.marksEqual(to: Octet.colon)
            let isLast = colons != 0
            let length = isLast ? colons.trailingZeroBitCount >> 3 : 8
            let mask = isLast ? (UInt64(1) << UInt64(8 * length)) &- 1 : .max
            let filler = ByteWord.ones &* UInt64(UInt8(ascii: "-"))
            guard ByteWord(word.bits & mask | filler & ~mask).isLettersAndDashes else { return false }
            put((word.bits | ByteWord.ones &* 0x20) & mask, at: place)
            offset += length
            place += 1
            if isLast {
                // The line's end is no letter, so the colon found is in this line.
                count = offset - line.start
                return count > 0
            }
        }
        return false
    }

    /// Byte by byte: any token, and the exact reason if it is none.
    @inline(never)
    private static func readChecked(
        from line: ByteRange,
        in bytes: Span<UInt8>,
        toleratesBlank: Bool
    ) throws(WireFault) -> (name: FieldName, colon: Int) {
        if line.count > 0, isBlank(bytes[line.start]) { throw .malformed(.foldedLine) }
        guard let colon = line.firstOffset(of: Octet.colon, in: bytes) else { throw .malformed(.missingColon) }
        var end = colon
        while end > line.start, isBlank(bytes[end - 1]) { end -= 1 }
        guard end == colon || toleratesBlank else { throw .malformed(.blankBeforeColon) }
        guard end > line.start else { throw .malformed(.fieldName) }
        var name = FieldName()
        name.count = end - line.start
        for index in 0..<name.count {
            let byte = bytes[line.start + index]
            guard isTokenByte(byte) else { throw .malformed(.fieldName) }
            name.put(UInt64(lowercased(byte)) << UInt64(8 * (index & 7)), at: index >> 3)
        }
        return (name, colon)
    }

    @inline(__always)
    private mutating func put(_ bits: UInt64, at place: Int) {
        switch place {
        case 0: first |= bits
        case 1: second |= bits
        case 2: third |= bits
        default: break
        }
    }
}

extension FieldName {
    /// True if the name is `text`, which must be lower case and of 1 to 24 bytes. Ask only if `count` fits: the
    /// scanners choose by it first.
    @inline(__always)
    func isSpelled(_ text: StaticString) -> Bool {
        count == text.utf8CodeUnitCount && first == Self.word(0, of: text)
            && second == Self.word(1, of: text) && third == Self.word(2, of: text)
    }

    @inline(__always)
    private static func word(_ place: Int, of text: StaticString) -> UInt64 {
        let bytes = UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        let start = 8 * place
        if bytes.count - start >= 8 {
            return UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self))
        }
        var bits: UInt64 = 0
        var index = start
        while index < bytes.count {
            bits |= UInt64(bytes[index]) << UInt64(8 * (index - start))
            index += 1
        }
        return bits
    }
}

/// The value of a header line, behind its colon and without blanks around it.
@inline(__always)
func value(of line: ByteRange, from colon: Int, in bytes: Span<UInt8>) -> ByteRange {
    ByteRange(colon + 1, to: line.end).trimmed(in: bytes)
}
