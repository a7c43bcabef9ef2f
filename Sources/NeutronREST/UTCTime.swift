/// A time as Keystone writes it: `2026-10-17T12:34:56Z`, with or without a fraction of a second.
struct UTCTime: Equatable {
    let secondsSince1970: Int64

    /// Nil unless `text` has that form and no zone but `Z`. Fractions are cut off.
    init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count >= 19, bytes.count <= 40,
            bytes[4] == UInt8(ascii: "-"), bytes[7] == UInt8(ascii: "-"), bytes[10] == UInt8(ascii: "T"),
            bytes[13] == UInt8(ascii: ":"), bytes[16] == UInt8(ascii: ":"),
            let year = Self.number(bytes[0..<4]), let month = Self.number(bytes[5..<7]),
            let day = Self.number(bytes[8..<10]), let hour = Self.number(bytes[11..<13]),
            let minute = Self.number(bytes[14..<16]), let second = Self.number(bytes[17..<19]),
            (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second < 61
        else { return nil }
        var rest = bytes[19...]
        if rest.first == UInt8(ascii: ".") {
            rest = rest.dropFirst().drop { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        }
        guard rest.isEmpty || rest.elementsEqual([UInt8(ascii: "Z")]) else { return nil }
        secondsSince1970 = Self.days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second
    }

    private static func number(_ digits: ArraySlice<UInt8>) -> Int64? {
        var value: Int64 = 0
        for digit in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            value = value * 10 + Int64(digit - UInt8(ascii: "0"))
        }
        return value
    }

    /// Days since 1970-01-01 in the Gregorian calendar, with years counted from March so that the leap day
    /// comes last.
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shiftedYear = month > 2 ? year : year - 1
        let shiftedMonth = (month + 9) % 12
        let daysBeforeMonth = (153 * shiftedMonth + 2) / 5
        let leapDays = shiftedYear / 4 - shiftedYear / 100 + shiftedYear / 400
        return 365 * shiftedYear + leapDays + daysBeforeMonth + day - 1 - 719_468
    }
}
