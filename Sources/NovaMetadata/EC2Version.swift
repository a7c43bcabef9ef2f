/// The versions of the EC2 tree.
enum EC2Version: String, CaseIterable, Comparable {
    case v1 = "1.0"
    case january2007 = "2007-01-19"
    case march2007 = "2007-03-01"
    case august2007 = "2007-08-29"
    case october2007 = "2007-10-10"
    case december2007 = "2007-12-15"
    case february2008 = "2008-02-01"
    case september2008 = "2008-09-01"
    case april2009 = "2009-04-04"

    init?(element: String) {
        if element == "latest" {
            self = .april2009
        } else {
            self.init(rawValue: element)
        }
    }

    static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    /// One per line without final newline.
    static let list = (allCases.map(\.rawValue) + ["latest"]).joined(separator: "\n")
}
