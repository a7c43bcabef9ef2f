/// An Ethernet address, as a port's `mac_address`.
public struct MACAddress: Hashable, Sendable {
    /// The address in the low 48 bits, first byte highest.
    public let value: UInt64

    public init(value: UInt64) {
        self.value = value & 0xFFFF_FFFF_FFFF
    }

    /// Parses `fa:16:3e:00:00:01` in either case. Nil if it is not six hexadecimal bytes with colons.
    public init?(_ text: some StringProtocol) {
        let parts = text.utf8.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard parts.count == 6 else { return nil }
        var value: UInt64 = 0
        for part in parts {
            guard part.count == 2, part.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }),
                let byte = UInt64(String(decoding: part, as: UTF8.self), radix: 16)
            else { return nil }
            value = value << 8 | byte
        }
        self.value = value
    }

    /// The address from which a modified EUI-64 interface identifier was made (RFC 4291, appendix A):
    /// the guest's IPv6 link-local address then names its port.
    ///
    /// Nil if `address` is not link-local or its identifier lacks the `ff:fe` marker. Without that check
    /// (Neutron makes none) a guest could choose an address whose other bits spell a neighbour's MAC.
    public init?(modifiedEUI64 address: IPAddress) {
        guard case .v6(_, let identifier) = address, address.isIPv6LinkLocal,
            (identifier >> 24) & 0xFFFF == 0xFFFE
        else { return nil }
        let flipped = identifier ^ 0x0200_0000_0000_0000
        self.init(value: (flipped >> 40) << 24 | flipped & 0xFF_FFFF)
    }
}

extension MACAddress: CustomStringConvertible {
    /// Lower case with colons, the form in which Neutron stores and compares it.
    public var description: String {
        (0..<6).map { index in
            let byte = value >> (40 - 8 * UInt64(index)) & 0xFF
            return (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined(separator: ":")
    }
}
