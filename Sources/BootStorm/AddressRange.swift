import MetadataModel

/// Addresses that guests speak from: `10.0.0.0/24`, `10.0.0.5-10.0.0.250`, or a single one.
public struct AddressRange: Hashable, Sendable {
    public let first: IPAddress
    /// How many there are, at most `countMax`.
    public let count: Int

    /// More than any storm has guests; a larger block counts as this many.
    public static let countMax = 1 << 20

    private init(first: IPAddress, count: Int) {
        self.first = first
        self.count = count
    }

    /// - Throws: `StormError` with the text and what was expected.
    public init(_ text: String) throws(StormError) {
        let slash = text.split(separator: "/", omittingEmptySubsequences: false)
        let dash = text.split(separator: "-", omittingEmptySubsequences: false)
        if slash.count == 2, let address = IPAddress(slash[0]), let length = Int(slash[1]),
            (0...Self.bits(of: address)).contains(length)
        {
            self.init(block: address, hostBits: Self.bits(of: address) - length)
        } else if dash.count <= 2, let first = IPAddress(dash[0]), let last = IPAddress(dash[dash.count - 1]) {
            guard let distance = Self.distance(from: first, to: last) else {
                throw StormError("\(text): the last address is before the first, or of the other family.")
            }
            self.init(first: first, count: min(distance, Self.countMax - 1) + 1)
        } else {
            throw StormError("\(text): expected ADDRESS/LENGTH, FROM-TO or an address, as in 10.0.0.0/24.")
        }
    }

    private init(block address: IPAddress, hostBits: Int) {
        let size = hostBits >= 20 ? Self.countMax : 1 << hostBits
        let base = Self.clearing(address, hostBits)
        // The lowest address names the block, and IPv4's highest is everybody's.
        if hostBits < 2 {
            self.init(first: base, count: size)
        } else {
            self.init(first: Self.adding(1, to: base), count: size - (address.isV6 ? 1 : 2))
        }
    }

    private static func bits(of address: IPAddress) -> Int { address.isV6 ? 128 : 32 }

    /// The address with this number, counted from 0 and from the beginning again behind the last.
    public subscript(number: Int) -> IPAddress {
        Self.adding(number % count, to: first)
    }

    // MARK: Arithmetic

    private static func adding(_ number: Int, to address: IPAddress) -> IPAddress {
        switch address {
        case .v4(let value):
            return .v4(value &+ UInt32(truncatingIfNeeded: number))
        case .v6(let high, let low):
            let (sum, overflow) = low.addingReportingOverflow(UInt64(number))
            return .v6(high: overflow ? high &+ 1 : high, low: sum)
        }
    }

    /// Nil if `last` is before `first`; a distance that does not fit is cut.
    private static func distance(from first: IPAddress, to last: IPAddress) -> Int? {
        switch (first, last) {
        case (.v4(let from), .v4(let to)) where to >= from:
            return Int(to - from)
        case (.v6(let high, let from), .v6(let upper, let to)) where upper == high && to >= from:
            return Int(min(to - from, UInt64(countMax)))
        default:
            return nil
        }
    }

    private static func clearing(_ address: IPAddress, _ hostBits: Int) -> IPAddress {
        switch address {
        case .v4(let value): .v4(cleared(value, hostBits))
        case .v6(let high, let low): .v6(high: cleared(high, hostBits - 64), low: cleared(low, hostBits))
        }
    }

    /// Without its lowest `count` bits; a count outside the word means none or all of it.
    private static func cleared<Word: FixedWidthInteger & UnsignedInteger>(_ word: Word, _ count: Int) -> Word {
        if count >= Word.bitWidth { return 0 }
        return word & (Word.max << Word(max(count, 0)))
    }
}
