import Glibc

/// An IPv4 or IPv6 address without port, prefix or zone.
///
/// An IPv4-mapped IPv6 address (`::ffff:a.b.c.d`, which a dual-stack listener reports) is always
/// turned into the IPv4 address it stands for, so two spellings of one guest are equal.
public enum IPAddress: Hashable, Sendable {
    case v4(UInt32)
    case v6(high: UInt64, low: UInt64)

    /// The longest text accepted, in bytes: a full IPv6 address with an embedded IPv4 one, and a zone.
    private static let textBytesMax = 64

    /// Parses the textual form, strictly: no blanks, no brackets, no leading zeros in IPv4 octets.
    /// A zone (`%eth0`) behind an IPv6 address is cut off. Nil if it is not an address.
    public init?(_ bytes: Span<UInt8>) {
        guard (2...Self.textBytesMax).contains(bytes.count) else { return nil }
        var end = bytes.count
        var isV6 = false
        for index in bytes.indices {
            // An embedded NUL would end the C string early and hide what follows it.
            if bytes[index] == 0 { return nil }
            if bytes[index] == UInt8(ascii: ":") { isV6 = true }
            if bytes[index] == UInt8(ascii: "%") {
                guard isV6 else { return nil }
                end = index
                break
            }
        }
        let parsed: IPAddress? = withUnsafeTemporaryAllocation(of: CChar.self, capacity: end + 1) { text in
            for index in 0..<end { text[index] = CChar(bitPattern: bytes[index]) }
            text[end] = 0
            guard let start = text.baseAddress else { return nil }
            if isV6 {
                var address = in6_addr()
                guard inet_pton(AF_INET6, start, &address) == 1 else { return nil }
                return IPAddress(address)
            }
            var address = in_addr()
            guard inet_pton(AF_INET, start, &address) == 1 else { return nil }
            return IPAddress(address)
        }
        guard let parsed else { return nil }
        self = parsed
    }

    /// See `init(_:)` for bytes.
    public init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        self.init(bytes.span)
    }

    public init(_ address: in_addr) {
        self = .v4(UInt32(bigEndian: address.s_addr))
    }

    public init(_ address: in6_addr) {
        let (high, low) = withUnsafeBytes(of: address) { raw in
            (
                UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
                UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
            )
        }
        if high == 0, low >> 32 == 0xFFFF {
            self = .v4(UInt32(truncatingIfNeeded: low))
        } else {
            self = .v6(high: high, low: low)
        }
    }

    /// The address for a system call.
    public var in6: in6_addr {
        var address = in6_addr()
        let (high, low): (UInt64, UInt64) =
            switch self {
            case .v4(let value): (0, 0xFFFF << 32 | UInt64(value))
            case .v6(let high, let low): (high, low)
            }
        withUnsafeMutableBytes(of: &address) { raw in
            raw.storeBytes(of: high.bigEndian, toByteOffset: 0, as: UInt64.self)
            raw.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
        }
        return address
    }

    public var isV6: Bool {
        if case .v6 = self { true } else { false }
    }

    /// True in `fe80::/10` only. IPv4's 169.254/16 is not special to Neutron's lookup.
    public var isIPv6LinkLocal: Bool {
        if case .v6(let high, _) = self { high >> 54 == 0xFE80 >> 6 } else { false }
    }
}

extension IPAddress: CustomStringConvertible {
    /// Dotted decimal, or the compressed lower-case form of RFC 5952, which is how Neutron stores it.
    public var description: String {
        switch self {
        case .v4(let value):
            return "\(value >> 24).\(value >> 16 & 0xFF).\(value >> 8 & 0xFF).\(value & 0xFF)"
        case .v6:
            var address = in6
            return withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { text in
                guard let start = text.baseAddress,
                    let end = inet_ntop(AF_INET6, &address, start, socklen_t(text.count))
                else { return "::" }
                return String(cString: end)
            }
        }
    }
}
