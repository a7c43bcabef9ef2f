/// The versions of the OpenStack tree, by the Nova release that brought each.
enum OpenStackVersion: String, CaseIterable, Comparable {
    case folsom = "2012-08-10"
    case grizzly = "2013-04-04"
    case havana = "2013-10-17"
    case liberty = "2015-10-15"
    case newton1 = "2016-06-30"
    case newton2 = "2016-10-06"
    case ocata = "2017-02-22"
    case rocky = "2018-08-27"
    case victoria = "2020-10-14"
    case epoxy = "2025-04-04"

    static let latest = epoxy

    /// `latest` is the newest known, also while its day has not come.
    init?(element: String) {
        if element == "latest" {
            self = Self.latest
        } else {
            self.init(rawValue: element)
        }
    }

    static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    /// One per line without final newline.
    static func list(today: UTCDay) -> String {
        (allCases.map(\.rawValue).filter { $0 <= today.description } + ["latest"]).joined(separator: "\n")
    }
}
