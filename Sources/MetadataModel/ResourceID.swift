/// The id of a network, router, project or instance as Neutron and Nova print it.
///
/// Almost always a lower-case UUID; that form is kept as sixteen bytes, so that comparing, hashing and
/// copying an id on the request path allocates nothing. Anything else (a lab's own names) is kept as text.
/// An id is 1 to 255 printable ASCII characters without blanks, so it can stand in a header, a URL query
/// and a log line as it is.
public struct ResourceID: Hashable, Sendable {
    private enum Storage: Hashable {
        case uuid(high: UInt64, low: UInt64)
        case text(String)
    }

    /// The longest id accepted, in bytes (Neutron's own columns hold 36 to 255).
    public static let byteCountMax = 255

    private let storage: Storage

    /// Nil unless `bytes` is 1 to 255 visible ASCII characters.
    public init?(_ bytes: Span<UInt8>) {
        guard (1...Self.byteCountMax).contains(bytes.count) else { return nil }
        if let (high, low) = Self.canonicalUUID(bytes) {
            storage = .uuid(high: high, low: low)
            return
        }
        var text = ""
        text.reserveCapacity(bytes.count)
        for index in bytes.indices {
            guard (0x21...0x7E).contains(bytes[index]) else { return nil }
            text.unicodeScalars.append(Unicode.Scalar(bytes[index]))
        }
        storage = .text(text)
    }

    /// The UUID whose sixteen bytes, in the order in which they are written, are `high` and `low`.
    public init(high: UInt64, low: UInt64) {
        storage = .uuid(high: high, low: low)
    }

    /// Nil unless `text` is 1 to 255 visible ASCII characters.
    public init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        self.init(bytes.span)
    }

    /// Only the canonical spelling (lower case, 8-4-4-4-12) is folded into sixteen bytes, because the
    /// description must give back exactly the bytes that came in: Neutron compares ids as strings.
    private static func canonicalUUID(_ bytes: Span<UInt8>) -> (high: UInt64, low: UInt64)? {
        guard bytes.count == 36 else { return nil }
        var high: UInt64 = 0
        var low: UInt64 = 0
        var digits = 0
        for index in bytes.indices {
            let byte = bytes[index]
            if index == 8 || index == 13 || index == 18 || index == 23 {
                guard byte == UInt8(ascii: "-") else { return nil }
                continue
            }
            let digit: UInt64
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = UInt64(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = UInt64(byte - UInt8(ascii: "a") + 10)
            default: return nil
            }
            if digits < 16 { high = high << 4 | digit } else { low = low << 4 | digit }
            digits += 1
        }
        return (high, low)
    }
}

extension ResourceID: CustomStringConvertible {
    public var description: String {
        switch storage {
        case .text(let text): return text
        case .uuid(let high, let low):
            let digits = hexadecimal(high) + hexadecimal(low)
            return [digits[0..<8], digits[8..<12], digits[12..<16], digits[16..<20], digits[20..<32]]
                .map { String(decoding: $0, as: UTF8.self) }
                .joined(separator: "-")
        }
    }
}

private func hexadecimal(_ value: UInt64) -> [UInt8] {
    let digits = Array("0123456789abcdef".utf8)
    return (0..<16).map { digits[Int(value >> (60 - 4 * UInt64($0)) & 0xF)] }
}
