/// The 32 hexadecimal digits by which oslo.messaging names messages and queues: Python's `uuid4().hex`.
public struct MessageID: Hashable, Sendable, CustomStringConvertible {
    public let description: String

    /// A new random one.
    public init() {
        var generator = SystemRandomNumberGenerator()
        description = [generator.next() as UInt64, generator.next()]
            .map { half in
                let digits = String(half, radix: 16)
                return String(repeating: "0", count: 16 - digits.count) + digits
            }
            .joined()
    }

    public init(_ text: String) {
        description = text
    }

    /// With the hyphens of a UUID, as in `req-...` and the `uuid` of a state report.
    public var hyphenated: String {
        var parts: [Substring] = []
        var rest = description[...]
        for length in [8, 4, 4, 4, 12] {
            parts.append(rest.prefix(length))
            rest = rest.dropFirst(length)
        }
        return parts.joined(separator: "-")
    }
}
