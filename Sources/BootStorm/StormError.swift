/// Why a storm cannot be run. The sentence names what is wrong and what to do.
public struct StormError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}
