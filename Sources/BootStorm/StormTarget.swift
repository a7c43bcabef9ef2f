import Glibc
import MetadataModel
import RelayLoop

/// Where guests ask: an address and port, in this network namespace or in a named one.
public struct StormTarget: Hashable, Sendable {
    public let address: IPAddress
    public let port: UInt16
    /// The interface of a link-local IPv6 address. Its number differs from namespace to namespace.
    public let zone: String?
    /// A name that `ip netns` knows, or a path; nil for the namespace of the process.
    public var namespace: String?
    /// Where guests speak from; nil to let the kernel choose.
    public var sources: AddressRange?

    /// - Parameter text: `127.0.0.1:80` or `[fe80::a9fe:a9fe%eth0]:80`.
    /// - Throws: `StormError`. Host names are refused: what a storm hits should be plain to see.
    public init(_ text: String, namespace: String? = nil, sources: AddressRange? = nil) throws(StormError) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0 else {
            throw Self.unreadable(text)
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
            guard host.contains(":") else { throw Self.unreadable(text) }
        } else if host.contains(":") {
            throw Self.unreadable(text)
        }
        guard let address = IPAddress(host) else { throw Self.unreadable(text) }
        self.address = address
        self.port = port
        zone = host.firstIndex(of: "%").map { String(host[host.index(after: $0)...]) }
        self.namespace = namespace
        self.sources = sources
        if let sources, sources.first.isV6 != address.isV6 {
            throw StormError("\(text): the guests' addresses are of the other family.")
        }
    }

    private static func unreadable(_ text: String) -> StormError {
        StormError("\(text): expected ADDRESS:PORT, as in 127.0.0.1:8169 or [fe80::1%eth0]:80.")
    }

    /// For a system call. Call it in the target's namespace, where the interface has its number.
    func socketAddress() throws(StormError) -> SocketAddress {
        guard let zone else { return Self.socketAddress(address, port: port) }
        let number = if_nametoindex(zone)
        guard number > 0 else { throw StormError("\(self): there is no interface \(zone).") }
        return Self.socketAddress(address, port: port, scope: number)
    }

    static func socketAddress(_ address: IPAddress, port: UInt16, scope: UInt32 = 0) -> SocketAddress {
        switch address {
        case .v4(let value): .v4(value.bigEndian, port: port)
        case .v6(let high, let low): .v6(high: high, low: low, port: port, scope: scope)
        }
    }
}

extension StormTarget: CustomStringConvertible {
    public var description: String {
        let host = zone.map { "\(address)%\($0)" } ?? "\(address)"
        let place = address.isV6 ? "[\(host)]:\(port)" : "\(host):\(port)"
        return namespace.map { "\(place) in \($0)" } ?? place
    }
}
