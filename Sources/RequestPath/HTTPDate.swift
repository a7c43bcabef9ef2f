import Glibc

/// The Date header's value (RFC 9110, 5.6.7), made once a second.
struct HTTPDate {
    private(set) var text: [UInt8] = []
    private var second: time_t = -1

    init() {
        refresh()
    }

    /// Reads the clock; cheap, the text is only remade when the second has changed.
    mutating func refresh() {
        var current = time(nil)
        guard current != second else { return }
        second = current
        var parts = tm()
        guard gmtime_r(&current, &parts) != nil else { return }
        text = Self.format(parts)
    }

    static func format(_ parts: tm) -> [UInt8] {
        let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        func two(_ value: CInt) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let day = days[Int(parts.tm_wday) % 7]
        let month = months[Int(parts.tm_mon) % 12]
        let date = "\(day), \(two(parts.tm_mday)) \(month) \(parts.tm_year + 1_900)"
        return Array("\(date) \(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)) GMT".utf8)
    }
}
