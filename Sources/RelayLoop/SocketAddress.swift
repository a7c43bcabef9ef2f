import Glibc

/// Where to listen or connect: a UNIX-domain path or an IP address and port.
public enum SocketAddress: Hashable, Sendable {
    case unix(path: String)
    case v4(in_addr_t, port: UInt16)
    case v6(high: UInt64, low: UInt64, port: UInt16, scope: UInt32)

    /// The longest path the kernel takes, without the closing NUL.
    public static let unixPathBytesMax = 107

    public var family: CInt {
        switch self {
        case .unix: AF_UNIX
        case .v4: AF_INET
        case .v6: AF_INET6
        }
    }

    /// Copies a `sockaddr_in` or `sockaddr_in6`; nil for other families.
    public init?(_ address: UnsafePointer<sockaddr>) {
        switch CInt(address.pointee.sa_family) {
        case AF_INET:
            let v4 = UnsafeRawPointer(address).loadUnaligned(as: sockaddr_in.self)
            self = .v4(v4.sin_addr.s_addr, port: UInt16(bigEndian: v4.sin_port))
        case AF_INET6:
            let v6 = UnsafeRawPointer(address).loadUnaligned(as: sockaddr_in6.self)
            let (high, low) = withUnsafeBytes(of: v6.sin6_addr) {
                (
                    UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
                    UInt64(bigEndian: $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
                )
            }
            self = .v6(high: high, low: low, port: UInt16(bigEndian: v6.sin6_port), scope: v6.sin6_scope_id)
        default:
            return nil
        }
    }

    /// Hands the address to a system call. A UNIX path that is too long gives `nil` to nobody: `body` is not
    /// called and the result is -1 with `errno` set to `ENAMETOOLONG`.
    public func withSockAddr(_ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt) -> CInt {
        switch self {
        case .unix(let path):
            let bytes = Array(path.utf8)
            guard bytes.count <= Self.unixPathBytesMax, !bytes.contains(0) else {
                errno = ENAMETOOLONG
                return -1
            }
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
            return Self.call(&address, body)
        case .v4(let value, let port):
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = value
            address.sin_port = port.bigEndian
            return Self.call(&address, body)
        case .v6(let high, let low, let port, let scope):
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            address.sin6_scope_id = scope
            withUnsafeMutableBytes(of: &address.sin6_addr) {
                $0.storeBytes(of: high.bigEndian, toByteOffset: 0, as: UInt64.self)
                $0.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
            }
            return Self.call(&address, body)
        }
    }

    private static func call<Address>(
        _ address: inout Address,
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> CInt
    ) -> CInt {
        withUnsafePointer(to: &address) { pointer in
            body(
                UnsafeRawPointer(pointer).assumingMemoryBound(to: sockaddr.self),
                socklen_t(MemoryLayout<Address>.size)
            )
        }
    }
}

extension SocketAddress: CustomStringConvertible {
    /// `10.0.0.1:8775`, `[2001:db8::1]:8775` or the path.
    public var description: String {
        switch self {
        case .unix(let path): path
        case .v4(_, let port): "\(numericHost):\(port)"
        case .v6(_, _, let port, _): "[\(numericHost)]:\(port)"
        }
    }

    private var numericHost: String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(NI_MAXHOST)) { host in
            let result = withSockAddr { address, length in
                getnameinfo(address, length, host.baseAddress, socklen_t(host.count), nil, 0, NI_NUMERICHOST)
            }
            guard result == 0, let start = host.baseAddress else { return "?" }
            return String(cString: start)
        }
    }
}
