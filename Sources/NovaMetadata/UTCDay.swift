/// A calendar day in UTC, 1970 to 9999, by which Nova hides versions of the future.
public struct UTCDay: Hashable, Sendable, CustomStringConvertible {
    /// `YYYY-MM-DD`; days compare as these texts do.
    public let description: String

    /// The day of a moment, in seconds since 1970. Moments outside of the range count as its ends.
    public init(secondsSince1970: Int) {
        // Days since 0000-03-01: the leap day is then the last of its year and a month's length regular.
        let last = 2_932_896
        let days = min(max(secondsSince1970 / 86_400, 0), last) + 719_468
        let (era, dayOfEra) = days.quotientAndRemainder(dividingBy: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = era * 400 + yearOfEra + (month <= 2 ? 1 : 0)
        let padded = { (value: Int, width: Int) in
            String(repeating: "0", count: max(0, width - String(value).count)) + String(value)
        }
        description = "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
    }
}
