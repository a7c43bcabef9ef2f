public import MetadataModel

/// Where Nova's metadata API is: from `nova_metadata_protocol`, `nova_metadata_host` and
/// `nova_metadata_port`, or a UNIX-domain socket when it runs on the same host.
public struct BackendEndpoint: Hashable, Sendable {
    /// The values of `nova_metadata_protocol` (Neutron Juno).
    public enum Scheme: String, Hashable, Sendable {
        case http
        case https

        var defaultPort: UInt16 {
            switch self {
            case .http: 80
            case .https: 443
            }
        }
    }

    public enum Host: Hashable, Sendable {
        case address(IPAddress, port: UInt16)
        /// A DNS name, without a trailing dot.
        case name(String, port: UInt16)
        case unix(path: String)
    }

    public let scheme: Scheme
    public let host: Host

    /// - Parameters:
    ///   - host: an IP address or a DNS name. Brackets around an IPv6 address are accepted: before Neutron
    ///     Stein they were the only way to write one (LP 1796593).
    ///   - port: 1 to 65535.
    ///   - scheme: `http` or `https`, lower case as in Neutron.
    public init(scheme: String, host: String, port: Int) throws(BackendEndpointError) {
        guard let scheme = Scheme(rawValue: scheme) else { throw BackendEndpointError(.scheme, scheme) }
        guard let port = UInt16(exactly: port), port > 0 else { throw BackendEndpointError(.port, String(port)) }
        self.scheme = scheme
        if let address = Self.address(host) {
            self.host = .address(address, port: port)
        } else if let name = Self.name(host) {
            self.host = .name(name, port: port)
        } else {
            throw BackendEndpointError(.host, host)
        }
    }

    /// Plain HTTP over a UNIX-domain socket.
    ///
    /// - Parameter unixPath: absolute, at most 107 bytes (what the kernel's `sockaddr_un` holds).
    public init(unixPath: String) throws(BackendEndpointError) {
        guard unixPath.hasPrefix("/"), unixPath.utf8.count <= 107, !unixPath.utf8.contains(0) else {
            throw BackendEndpointError(.path, unixPath)
        }
        scheme = .http
        host = .unix(path: unixPath)
    }

    public var isSecure: Bool { scheme == .https }

    /// The value of the `Host` header: an IPv6 address in brackets, the scheme's own port left out (RFC 9110,
    /// 7.2), and `localhost` for a UNIX-domain socket.
    public var hostHeader: [UInt8] {
        switch host {
        case .unix: Array("localhost".utf8)
        case .address(_, let port), .name(_, let port):
            Array((port == scheme.defaultPort ? bracketedHost : "\(bracketedHost):\(port)").utf8)
        }
    }

    /// Host and port, for log lines.
    public var authority: String {
        switch host {
        case .unix(let path): path
        case .address(_, let port), .name(_, let port): "\(bracketedHost):\(port)"
        }
    }

    private var bracketedHost: String {
        switch host {
        case .address(let address, _): address.isV6 ? "[\(address)]" : "\(address)"
        case .name(let name, _): name
        case .unix: "localhost"
        }
    }

    private static func address(_ text: String) -> IPAddress? {
        if text.hasPrefix("["), text.hasSuffix("]") {
            guard let address = IPAddress(text.dropFirst().dropLast()), text.utf8.contains(UInt8(ascii: ":")) else {
                return nil
            }
            return text.utf8.contains(UInt8(ascii: "%")) ? nil : address
        }
        // A zone would be lost on the way to the socket, and oslo.config refuses it too.
        return text.utf8.contains(UInt8(ascii: "%")) ? nil : IPAddress(text)
    }

    /// A name by the rule of oslo.config's host type (RFC 1123, and not all digits at the end, so that a
    /// mistyped IPv4 address is not asked of the DNS).
    private static func name(_ text: String) -> String? {
        var name = text[...]
        if name.hasSuffix(".") { name.removeLast() }
        guard (1...253).contains(name.utf8.count) else { return nil }
        let labels = name.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard let last = labels.last, !last.allSatisfy({ isDigit($0) }) else { return nil }
        for label in labels {
            guard (1...63).contains(label.count), label.allSatisfy({ isLetter($0) || isDigit($0) || $0 == hyphen }),
                label.first != hyphen, label.last != hyphen
            else { return nil }
        }
        return String(name)
    }

    private static let hyphen = UInt8(ascii: "-")

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }
}

extension BackendEndpoint: CustomStringConvertible {
    public var description: String {
        switch host {
        case .unix(let path): "unix:\(path)"
        case .address, .name: "\(scheme.rawValue)://\(authority)"
        }
    }
}

/// An option that cannot say where Nova is.
public struct BackendEndpointError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Code: Hashable, Sendable {
        case scheme
        case host
        case port
        case path
    }

    public let code: Code
    public let value: String

    init(_ code: Code, _ value: String) {
        self.code = code
        self.value = value
    }

    /// The name of the option, in `[DEFAULT]`; nil for the path of a UNIX-domain socket, which has none.
    public var option: String? {
        switch code {
        case .scheme: "nova_metadata_protocol"
        case .host: "nova_metadata_host"
        case .port: "nova_metadata_port"
        case .path: nil
        }
    }

    public var description: String {
        switch code {
        case .scheme: "nova_metadata_protocol: '\(value)' is neither 'http' nor 'https'"
        case .host:
            "nova_metadata_host: '\(value)' is neither an IP address nor a host name; give no scheme and no port"
        case .port: "nova_metadata_port: \(value) is not between 1 and 65535"
        case .path: "'\(value)' is not an absolute path of at most 107 bytes for a UNIX-domain socket"
        }
    }
}
