/// A stretch of the bytes that were given to a scanner: where a fact stands in the head, so that it can be
/// copied from there without becoming a `String` or an array first.
///
/// It is good for those bytes only, as long as they begin where they began when they were scanned.
public struct ByteRange: Hashable, Sendable {
    /// Offset of the first byte.
    public var start: Int
    /// Number of bytes, 0 or more.
    public var count: Int

    public init(start: Int, count: Int) {
        self.start = start
        self.count = count
    }

    /// Offset behind the last byte.
    public var end: Int { start + count }
    public var isEmpty: Bool { count == 0 }
}

extension ByteRange {
    init(_ start: Int, to end: Int) {
        self.init(start: start, count: end - start)
    }

    /// The range without the blanks and tabs at both ends (RFC 9110, section 5.6.3).
    func trimmed(in bytes: Span<UInt8>) -> ByteRange {
        var first = start
        var last = end
        while first < last, isBlank(bytes[first]) { first += 1 }
        while first < last, isBlank(bytes[last - 1]) { last -= 1 }
        return ByteRange(first, to: last)
    }

    /// True if the bytes are `text`, which must be lower case, in any mixture of cases.
    func isFolded(_ text: StaticString, in bytes: Span<UInt8>) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        for index in 0..<count where lowercased(bytes[start + index]) != text.utf8Start[index] { return false }
        return true
    }

    /// True if the bytes are exactly `text`.
    func isExactly(_ text: StaticString, in bytes: Span<UInt8>) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        for index in 0..<count where bytes[start + index] != text.utf8Start[index] { return false }
        return true
    }

    /// Offset of the first `byte`, nil if there is none.
    func firstOffset(of byte: UInt8, in bytes: Span<UInt8>) -> Int? {
        var offset = start
        while end - offset >= 8 {
            let found = ByteWord(bytes, at: offset).marksEqual(to: byte)
            if found != 0 { return offset + found.trailingZeroBitCount >> 3 }
            offset += 8
        }
        while offset < end {
            if bytes[offset] == byte { return offset }
            offset += 1
        }
        return nil
    }

    /// Offset of the last `byte`, nil if there is none.
    func lastOffset(of byte: UInt8, in bytes: Span<UInt8>) -> Int? {
        var offset = end
        while offset > start {
            offset -= 1
            if bytes[offset] == byte { return offset }
        }
        return nil
    }
}
