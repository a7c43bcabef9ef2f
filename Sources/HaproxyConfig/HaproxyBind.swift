import MetadataModel

/// One address to listen on, from a `bind` line.
public struct HaproxyBind: Hashable, Sendable {
    /// `.v4(0)` is every IPv4 address; `::` is every address of both families unless `isV6Only`.
    public let address: IPAddress
    /// 1 to 65535.
    public let port: UInt16
    /// The device to bind to (`interface`), which a link-local address needs: it gives it its scope.
    public let interface: String?
    public let isV6Only: Bool

    public init(address: IPAddress, port: UInt16, interface: String? = nil, isV6Only: Bool = false) {
        self.address = address
        self.port = port
        self.interface = interface
        self.isV6Only = isV6Only
    }
}

extension HaproxyBind: CustomStringConvertible {
    /// `169.254.169.254:80`, `[fe80::a9fe:a9fe]:80 interface tap1`.
    public var description: String {
        let host = address.isV6 ? "[\(address)]" : "\(address)"
        return "\(host):\(port)" + (interface.map { " interface \($0)" } ?? "") + (isV6Only ? " v6only" : "")
    }
}

extension HaproxyBind {
    /// The longest name of a network device, in bytes (the kernel's IFNAMSIZ without the closing NUL).
    static let interfaceBytesMax = 15

    /// Reads the words behind `bind`: addresses joined by commas, then their parameters.
    ///
    /// - Parameter ignored: is told each parameter that has no meaning here.
    static func read(_ words: ArraySlice<String>, ignored: (String) -> Void) throws(Fault) -> [HaproxyBind] {
        guard let list = words.first, !list.isEmpty else {
            throw Fault(.badArgument, "'bind' expects ADDRESS:PORT, for example 169.254.169.254:80 or [::]:9697.")
        }
        var interface: String?
        var isV6Only = false
        var rest = words.dropFirst()
        while let word = rest.popFirst() {
            switch word {
            case "interface":
                guard let name = rest.popFirst(), !name.isEmpty else {
                    throw Fault(.badArgument, "'bind \(list)' : 'interface' : missing interface name.")
                }
                guard name.utf8.count <= interfaceBytesMax else {
                    throw Fault(
                        .badArgument,
                        "'bind \(list)' : \(quoted(name)) is no network device, their names have at most "
                            + "\(interfaceBytesMax) characters."
                    )
                }
                interface = name
            case "v6only": isV6Only = true
            case "v4v6": isV6Only = false
            case "defer-accept", "tfo": ignored("bind … \(word)")
            case "name", "id", "backlog", "maxconn", "nice", "process", "thread", "shards", "mss", "tcp-ut", "level":
                guard rest.popFirst() != nil else {
                    throw Fault(.badArgument, "'bind \(list)' : '\(word)' expects a value.")
                }
                if word != "name" { ignored("bind … \(word)") }
            case "accept-proxy", "accept-netscaler-cip", "alpn", "crt", "namespace", "proto", "ssl", "transparent",
                "user", "group", "uid", "gid", "mode":
                throw Fault(
                    .unsupported,
                    "'bind \(list)' : '\(word)' is not implemented here; guests are served plain HTTP over TCP."
                )
            default:
                throw Fault(.unknownKeyword, "'bind \(list)' : unknown keyword \(quoted(word)).")
            }
        }
        var binds: [HaproxyBind] = []
        for text in list.split(separator: ",", omittingEmptySubsequences: false) {
            let (address, port) = try endpoint(String(text))
            binds.append(HaproxyBind(address: address, port: port, interface: interface, isV6Only: isV6Only))
        }
        return binds
    }

    /// `HOST:PORT`, where the last colon is the separator, so that an IPv6 address needs no brackets: Victoria to
    /// 2026.1 write `fe80::a9fe:a9fe:80`.
    private static func endpoint(_ text: String) throws(Fault) -> (IPAddress, UInt16) {
        var rest = Substring(text)
        var isV6Wanted: Bool?
        for (prefix, isV6) in [("ipv4@", false), ("ipv6@", true)] where rest.hasPrefix(prefix) {
            rest = rest.dropFirst(prefix.count)
            isV6Wanted = isV6
        }
        guard !rest.hasPrefix("/"), !rest.contains("@") else {
            throw Fault(.unsupported, "'bind' : \(quoted(text)) is not a TCP address; guests come over TCP only.")
        }
        guard let colon = rest.lastIndex(of: ":") else {
            throw Fault(.badArgument, "'bind' : missing port specification in \(quoted(text)).")
        }
        let port = try portNumber(rest[rest.index(after: colon)...], in: text)
        var host = rest[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        if host.isEmpty || host == "*" {
            return (isV6Wanted == true ? .v6(high: 0, low: 0) : .v4(0), port)
        }
        guard !host.contains("%") else {
            throw Fault(
                .badArgument,
                "'bind' : \(quoted(text)) has a zone; write the address without it, and 'interface DEVICE' behind."
            )
        }
        guard let address = IPAddress(host), isV6Wanted == nil || isV6Wanted == address.isV6 else {
            throw Fault(
                .badArgument,
                "'bind' : invalid address: \(quoted(String(host))) in \(quoted(text)); names are not looked up."
            )
        }
        return (address, port)
    }

    private static func portNumber(_ digits: Substring, in text: String) throws(Fault) -> UInt16 {
        guard !digits.isEmpty else {
            throw Fault(.badArgument, "'bind' : missing port specification in \(quoted(text)).")
        }
        if let stray = digits.first(where: { !$0.utf8.allSatisfy(ConfigNumber.isDigit) }) {
            let hint = stray == "-" ? "; ranges of ports are not implemented here." : "."
            throw Fault(
                .badArgument,
                "'bind' : invalid character \(quoted(String(stray))) in port number \(quoted(String(digits))) in "
                    + quoted(text) + hint
            )
        }
        guard let port = UInt16(digits), port > 0 else {
            throw Fault(.badArgument, "'bind' : invalid port \(quoted(String(digits))); ports are 1 to 65535.")
        }
        return port
    }
}
