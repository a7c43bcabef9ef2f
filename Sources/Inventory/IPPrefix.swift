import MetadataModel

/// A block of addresses, `10.0.0.0/24`.
public struct IPPrefix: Hashable, Sendable {
    /// The lowest address: all host bits are zero.
    public let network: IPAddress
    /// 0…32 or 0…128.
    public let length: Int

    /// Host bits of `address` are cleared. Nil if `length` does not fit the family.
    public init?(_ address: IPAddress, length: Int) {
        switch address {
        case .v4(let value):
            guard (0...32).contains(length) else { return nil }
            network = .v4(value & Self.mask(length))
        case .v6(let high, let low):
            guard (0...128).contains(length) else { return nil }
            network = .v6(high: high & Self.mask(length), low: low & Self.mask(length - 64))
        }
        self.length = length
    }

    /// Parses `address/length`. Host bits are cleared, see `init(_:length:)`.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, (1...3).contains(parts[1].utf8.count),
            parts[1].utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let address = IPAddress(parts[0]), let length = Int(parts[1])
        else { return nil }
        self.init(address, length: length)
    }

    public var isV6: Bool { network.isV6 }

    /// `255.255.255.0`, or the same for IPv6 (`ffff:ffff:ffff:ffff::`).
    public var netmask: IPAddress {
        if isV6 {
            .v6(high: Self.mask(length), low: Self.mask(length - 64))
        } else {
            .v4(Self.mask(length))
        }
    }

    public func contains(_ address: IPAddress) -> Bool {
        address.isV6 == isV6 && IPPrefix(address, length: length) == self
    }

    /// The address after the lowest, Neutron's default gateway. Nil where the block has no room for one.
    public var firstHost: IPAddress? {
        switch network {
        case .v4(let value): length <= 30 ? .v4(value + 1) : nil
        case .v6(let high, let low): length <= 126 ? .v6(high: high, low: low + 1) : nil
        }
    }

    /// `length` ones from the top; a length outside the word means none or all of it.
    private static func mask<Word: FixedWidthInteger & UnsignedInteger>(_ length: Int) -> Word {
        if length <= 0 { return 0 }
        return length >= Word.bitWidth ? .max : .max << Word(Word.bitWidth - length)
    }
}

extension IPPrefix: CustomStringConvertible {
    public var description: String { "\(network)/\(length)" }
}
