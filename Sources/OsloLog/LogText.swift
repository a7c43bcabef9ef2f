/// Bytes of a log line under construction, and the rule that what comes from outside cannot end it.
///
/// A guest chooses request lines and host names; a line break or a terminal's escape sequence in them must not
/// be able to forge a second line or rewrite what an operator reads (CWE-117).
struct LogText {
    private(set) var bytes: [UInt8] = []

    init(capacity: Int = 256) {
        bytes.reserveCapacity(capacity)
    }

    /// Text of our own or the operator's, as it is.
    mutating func append(_ text: String) {
        bytes.append(contentsOf: text.utf8)
    }

    mutating func append(raw: some Sequence<UInt8>) {
        bytes.append(contentsOf: raw)
    }

    /// Text that may hold anything.
    mutating func append(escaping text: String) {
        if text.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) {
            bytes.append(contentsOf: text.utf8)
            return
        }
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n": append("\\n")
            case "\r": append("\\r")
            case "\t": append("\\t")
            case "\u{0}"..."\u{1F}", "\u{7F}"..."\u{9F}":
                append("\\x")
                append(hexadecimal: scalar.value, digits: 2)
            // Line separators, and marks that let a terminal show the rest of the line from right to left.
            case "\u{2028}"..."\u{202E}", "\u{2066}"..."\u{2069}", "\u{200E}", "\u{200F}", "\u{61C}":
                append("\\u")
                append(hexadecimal: scalar.value, digits: 4)
            default: bytes.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
            }
        }
    }

    /// Bytes in no known encoding: whatever is not printable ASCII is shown by its value, so that the file
    /// stays valid UTF-8.
    mutating func append(escaping text: Span<UInt8>) {
        let isPlain = text.withUnsafeBufferPointer { bytes in bytes.allSatisfy { (0x20...0x7E).contains($0) } }
        if isPlain {
            text.withUnsafeBufferPointer { bytes.append(contentsOf: $0) }
            return
        }
        for index in text.indices {
            let byte = text[index]
            if (0x20...0x7E).contains(byte) {
                bytes.append(byte)
            } else {
                switch byte {
                case UInt8(ascii: "\n"): append("\\n")
                case UInt8(ascii: "\r"): append("\\r")
                case UInt8(ascii: "\t"): append("\\t")
                default:
                    append("\\x")
                    append(hexadecimal: UInt32(byte), digits: 2)
                }
            }
        }
    }

    /// Forgets the text and keeps the memory.
    mutating func removeAll() {
        bytes.removeAll(keepingCapacity: true)
    }

    mutating func append(hexadecimal value: UInt32, digits: Int) {
        for position in stride(from: (digits - 1) * 4, through: 0, by: -4) {
            let digit = UInt8(value >> UInt32(position) & 0xF)
            bytes.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
        }
    }

    /// Decimal, with zeros in front up to this many digits.
    mutating func append(decimal value: Int, digits: Int) {
        let text = String(value.magnitude)
        if value < 0 { bytes.append(UInt8(ascii: "-")) }
        for _ in 0..<max(0, digits - text.utf8.count) { bytes.append(UInt8(ascii: "0")) }
        append(text)
    }
}
