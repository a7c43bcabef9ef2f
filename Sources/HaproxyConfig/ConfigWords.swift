/// A line of a configuration taken apart into words, by haproxy's rules.
///
/// Words are separated by white space (a carriage return is some, so files written on Windows read the same).
/// `#` outside quotes begins a comment. `'…'` is literal; in `"…"` and outside quotes a backslash takes the meaning
/// from the next character (`\ `, `\#`, `\\`, `\"`, `\'`) or gives one (`\n`, `\r`, `\t`, `\xHH`); before anything
/// else it stands for itself. Quoted and unquoted pieces that touch make one word.
enum ConfigWords {
    /// haproxy's own limit; nothing that a generator writes comes near.
    static let wordsMax = 64

    private enum Quote { case none, single, double }

    static func split(_ line: ArraySlice<UInt8>) throws(Fault) -> [String] {
        var words: [String] = []
        var word: [UInt8] = []
        var isInWord = false
        var quote = Quote.none
        var quoteStart = 0
        var index = line.startIndex

        func position(_ index: Int) -> Int { index - line.startIndex + 1 }
        func finish() throws(Fault) {
            guard isInWord else { return }
            guard words.count < wordsMax else {
                throw Fault(
                    .syntax,
                    "too many words in the line, at most \(wordsMax) are read; check for a missing line break."
                )
            }
            guard let text = String(validating: word, as: UTF8.self) else {
                throw Fault(.syntax, "the word ending at position \(position(index) - 1) is not UTF-8 text.")
            }
            words.append(text)
            word.removeAll(keepingCapacity: true)
            isInWord = false
        }

        while index < line.endIndex {
            let byte = line[index]
            switch (byte, quote) {
            case (0, _):
                throw Fault(.syntax, "stray NUL character at position \(position(index)).")
            case (UInt8(ascii: "\\"), .none), (UInt8(ascii: "\\"), .double):
                index += 1
                isInWord = true
                word.append(try escaped(line, &index, isQuoted: quote == .double))
                continue
            case (UInt8(ascii: "'"), .none):
                (quote, quoteStart, isInWord) = (.single, index, true)
            case (UInt8(ascii: "\""), .none):
                (quote, quoteStart, isInWord) = (.double, index, true)
            case (UInt8(ascii: "'"), .single), (UInt8(ascii: "\""), .double):
                quote = .none
            case (UInt8(ascii: "$"), .double):
                // haproxy would put an environment variable here. Neutron never writes one, and passing the text on
                // as it is would quietly mean something else.
                throw Fault(
                    .unsupported,
                    "the environment variable at position \(position(index)) is not replaced; write its value."
                )
            case (UInt8(ascii: "#"), .none):
                try finish()
                return words
            case (0x20, .none), (0x09...0x0D, .none):
                try finish()
            default:
                isInWord = true
                word.append(byte)
            }
            index += 1
        }
        guard quote == .none else {
            throw Fault(.syntax, "unmatched quote at position \(position(quoteStart)).")
        }
        try finish()
        return words
    }

    /// What the escape whose backslash stands before `index` means; `index` moves behind it.
    private static func escaped(
        _ line: ArraySlice<UInt8>,
        _ index: inout Int,
        isQuoted: Bool
    ) throws(Fault) -> UInt8 {
        let backslash = UInt8(ascii: "\\")
        guard index < line.endIndex else { return backslash }
        let byte = line[index]
        switch byte {
        case UInt8(ascii: " "), UInt8(ascii: "#"), UInt8(ascii: "\""), UInt8(ascii: "'"), backslash: break
        case UInt8(ascii: "$") where isQuoted: break
        case UInt8(ascii: "n"):
            index += 1
            return UInt8(ascii: "\n")
        case UInt8(ascii: "r"):
            index += 1
            return UInt8(ascii: "\r")
        case UInt8(ascii: "t"):
            index += 1
            return UInt8(ascii: "\t")
        case UInt8(ascii: "x"):
            guard index + 2 < line.endIndex, let high = hexadecimalDigit(line[index + 1]),
                let low = hexadecimalDigit(line[index + 2]), high != 0 || low != 0
            else {
                throw Fault(
                    .syntax,
                    "truncated or invalid hexadecimal sequence at position \(index - line.startIndex); "
                        + "write \\x and two digits, not both 0."
                )
            }
            index += 3
            return high << 4 | low
        default: return backslash
        }
        index += 1
        return byte
    }

    private static func hexadecimalDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
