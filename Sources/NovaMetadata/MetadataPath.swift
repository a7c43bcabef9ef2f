/// The path of a request, taken apart as Nova does (decoded, then `posixpath.normpath`): empty elements and
/// `.` vanish and `..` takes back one element, so that a listing is found with and without trailing slash.
///
/// Python keeps exactly two leading slashes, by which `//openstack` is an EC2 path there; here it is
/// `/openstack`.
struct MetadataPath: Hashable, Sendable {
    let elements: [String]

    /// - Parameter target: of the request line; a query is cut off, and in absolute form scheme and authority.
    init(target: String) {
        var path = Substring(target)
        if !path.hasPrefix("/"), let scheme = path.firstRange(of: "://") {
            path = path[scheme.upperBound...]
            path = path.firstIndex(of: "/").map { path[$0...] } ?? "/"
        }
        path = path.prefix { $0 != "?" && $0 != "#" }
        var elements: [String] = []
        for element in Self.decoded(path).split(separator: "/") {
            switch element {
            case ".": break
            case "..": _ = elements.popLast()
            default: elements.append(String(element))
            }
        }
        self.elements = elements
    }

    /// Percent-decoded; a `%` without two digits stands for itself.
    private static func decoded(_ text: Substring) -> String {
        guard text.utf8.contains(UInt8(ascii: "%")) else { return String(text) }
        let bytes = Array(text.utf8)
        var decoded: [UInt8] = []
        var index = 0
        while index < bytes.count {
            if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count,
                let high = hexDigit(bytes[index + 1]), let low = hexDigit(bytes[index + 2])
            {
                decoded.append(high << 4 | low)
                index += 3
            } else {
                decoded.append(bytes[index])
                index += 1
            }
        }
        return String(decoding: decoded, as: UTF8.self)
    }

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        Character(Unicode.Scalar(byte)).hexDigitValue.map(UInt8.init)
    }
}
