/// Numbers, times and sizes as haproxy writes them.
///
/// haproxy reads some numbers with `atol`, so that `maxconn x` means 0, the default. Here a number that is none is an
/// error everywhere: no generator writes one, and a person who does wants to know.
enum ConfigNumber {
    /// A plain decimal number.
    static func read(_ word: String, _ keyword: String, in range: ClosedRange<Int>) throws(Fault) -> Int {
        guard !word.isEmpty, word.utf8.allSatisfy(isDigit) else {
            throw Fault(.badArgument, "'\(keyword)' expects a whole number and got \(quoted(word)).")
        }
        guard let number = Int(word), range.contains(number) else {
            throw Fault(
                .badArgument,
                "'\(keyword)' expects a number from \(range.lowerBound) to \(range.upperBound) and got \(quoted(word))."
            )
        }
        return number
    }

    /// The longest time: haproxy's timers are 31 bits of milliseconds, 24.8 days.
    static let millisecondsMax = 2_147_483_647

    /// A time in milliseconds: digits and one of `us`, `ms`, `s`, `m`, `h`, `d`; without a unit, milliseconds.
    /// Parts of a millisecond are rounded up, so that a time that was set never turns into none.
    static func milliseconds(_ word: String, _ keyword: String) throws(Fault) -> Int {
        let (digits, unit) = parts(word)
        guard !digits.isEmpty else {
            throw Fault(.badArgument, "'\(keyword)' expects a time such as 30s and got \(quoted(word)).")
        }
        let overflow = Fault(
            .badArgument,
            "timer overflow in argument \(quoted(word)) to '\(keyword)' (at most \(millisecondsMax) ms, 24.8 days)."
        )
        guard let count = Int(digits) else { throw overflow }
        let factor: Int
        switch unit {
        case "us":
            guard count <= millisecondsMax * 1_000 else { throw overflow }
            return (count + 999) / 1_000
        case "", "ms": factor = 1
        case "s": factor = 1_000
        case "m": factor = 60_000
        case "h": factor = 3_600_000
        case "d": factor = 86_400_000
        default:
            throw Fault(
                .badArgument,
                "unexpected \(quoted(String(unit))) behind the number in '\(keyword)' \(quoted(word)); "
                    + "the units are us, ms, s, m, h and d."
            )
        }
        guard count <= millisecondsMax / factor else { throw overflow }
        return count * factor
    }

    /// A number of entries: digits and `k`, `m` or `g`, powers of 1,024.
    static func size(_ word: String, _ keyword: String) throws(Fault) -> Int {
        let (digits, unit) = parts(word)
        let shifts: [Substring: Int] = ["": 0, "k": 10, "K": 10, "m": 20, "M": 20, "g": 30, "G": 30]
        guard !digits.isEmpty, let shift = shifts[unit] else {
            throw Fault(.badArgument, "'\(keyword)' expects a size such as 10k and got \(quoted(word)).")
        }
        let sizeMax = Int(UInt32.max)
        guard let count = Int(digits), (1...sizeMax >> shift).contains(count) else {
            throw Fault(.badArgument, "'\(keyword)' expects a size from 1 to \(sizeMax) and got \(quoted(word)).")
        }
        return count << shift
    }

    private static func parts(_ word: String) -> (digits: Substring, unit: Substring) {
        let digits = word.utf8.prefix(while: isDigit)
        return (Substring(digits), word[digits.endIndex...])
    }

    static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}
