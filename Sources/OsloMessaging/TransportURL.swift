/// `transport_url` of oslo.messaging, taken apart.
///
///     rabbit://[USER:PASSWORD@]HOST[:PORT][,[USER:PASSWORD@]HOST[:PORT]...]/VHOST[?OPTION=VALUE&...]
///
/// Each host has credentials of its own; they are not inherited from the first. `%XX` is decoded in user, password
/// and virtual host (Kilo and later). Query parameters stand for options of `[oslo_messaging_rabbit]` (Rocky).
public struct TransportURL: Sendable, Equatable {
    public struct Host: Sendable, Equatable {
        public var name: String
        public var port: Int?
        public var user: String?
        public var password: String?
    }

    /// Empty for `rabbit://` and `rabbit:///vhost`: then the options `rabbit_host` and so on count.
    public var hosts: [Host]
    /// Nil if the URL has no path, or `/` alone.
    public var virtualHost: String?
    /// In the URL's order, decoded.
    public var parameters: [Parameter]

    public struct Parameter: Sendable, Equatable {
        public var name: String
        public var value: String
    }

    /// - Throws: `MessagingError.misconfigured`; its text never shows the URL, which holds passwords.
    public init(_ text: String) throws(MessagingError) {
        guard let separator = text.firstRange(of: "://") else {
            throw Self.noScheme
        }
        let scheme = text[..<separator.lowerBound].lowercased()
        // Anything else could be the user and the password, with the scheme left out.
        guard !scheme.isEmpty, scheme.utf8.allSatisfy(Self.isSchemeByte) else { throw Self.noScheme }
        let kind = scheme.prefix { $0 != "+" }
        // oslo.messaging has no driver of that name either. Taken for rabbit:// it would connect without TLS.
        if kind == "amqps" {
            throw Self.bad(
                "has the scheme 'amqps'; for TLS write rabbit:// and set ssl = true in [oslo_messaging_rabbit]"
            )
        }
        guard Self.schemes.contains(String(kind)) else {
            throw Self.bad("has the scheme '\(scheme.prefix(32))'; only rabbit:// is supported")
        }
        var rest = text[separator.upperBound...]
        if rest.contains("#") {
            throw Self.bad("contains '#'; write it as %23 in a password")
        }
        parameters = []
        if let question = rest.firstIndex(of: "?") {
            parameters = try Self.parameters(rest[rest.index(after: question)...])
            rest = rest[..<question]
        }
        var authority = rest
        virtualHost = nil
        if let slash = rest.firstIndex(of: "/") {
            authority = rest[..<slash]
            // `//` means the same as `/%2F`: the broker's default virtual host.
            let path = try Self.decoded(rest[rest.index(after: slash)...], "virtual host")
            virtualHost = path.isEmpty ? nil : path
        }
        hosts = []
        guard !authority.isEmpty else { return }
        // The reference overlooks a comma too many.
        for part in authority.split(separator: ",") {
            hosts.append(try Self.host(part))
        }
    }

    private static let noScheme = bad("has no scheme; it begins with rabbit://")

    private static func isSchemeByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"),
            UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    private static let schemes = ["rabbit", "kombu", "amqp"]

    private static func host(_ text: Substring) throws(MessagingError) -> Host {
        var host = Host(name: "")
        var address = text
        // A user or password may hold a raw '@'; a host cannot.
        if let at = text.lastIndex(of: "@") {
            let credentials = text[..<at]
            address = text[text.index(after: at)...]
            let colon = credentials.firstIndex(of: ":")
            host.user = try decoded(credentials[..<(colon ?? credentials.endIndex)], "user")
            if let colon { host.password = try decoded(credentials[credentials.index(after: colon)...], "password") }
        }
        let portText: Substring?
        if address.first == "[" {
            guard let end = address.firstIndex(of: "]") else { throw bad("has an IPv6 address without ']'") }
            host.name = String(address[address.index(after: address.startIndex)..<end])
            let after = address[address.index(after: end)...]
            guard after.isEmpty || after.first == ":" else { throw bad("has characters between ']' and ':'") }
            portText = after.isEmpty ? nil : after.dropFirst()
        } else {
            let parts = address.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            host.name = String(parts[0])
            portText = parts.count > 1 ? parts[1] : nil
        }
        guard !host.name.isEmpty else { throw bad("has no host name before a port or after '@'") }
        // Nothing after the colon means the default, as it does for the reference.
        if let portText, !portText.isEmpty {
            guard let port = Int(portText), (1...65_535).contains(port), portText.utf8.first != UInt8(ascii: "+") else {
                throw bad(
                    "has a port that is not a number from 1 to 65535; an IPv6 address needs brackets, and '/', '?',"
                        + " '#' and ',' in a password are written as %2F, %3F, %23 and %2C"
                )
            }
            host.port = port
        }
        return host
    }

    private static func parameters(_ query: Substring) throws(MessagingError) -> [Parameter] {
        var parameters: [Parameter] = []
        for pair in query.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else {
                throw bad("has a parameter without '=' after '?'; '?' in a password is written as %3F")
            }
            parameters.append(
                Parameter(
                    name: try decoded(parts[0], "parameter"),
                    value: try decoded(Substring(parts[1].map { $0 == "+" ? " " : $0 }), "parameter")
                )
            )
        }
        return parameters
    }

    /// Turns `%XX` into bytes. A percent sign without two hexadecimal digits stays, as Python's `unquote` has it.
    private static func decoded(_ text: Substring, _ part: String) throws(MessagingError) -> String {
        let source = Array(text.utf8)
        var bytes: [UInt8] = []
        var index = 0
        while index < source.count {
            if source[index] == UInt8(ascii: "%"), index + 2 < source.count,
                let high = Character(UnicodeScalar(source[index + 1])).hexDigitValue,
                let low = Character(UnicodeScalar(source[index + 2])).hexDigitValue
            {
                bytes.append(UInt8(high << 4 | low))
                index += 3
            } else {
                bytes.append(source[index])
                index += 1
            }
        }
        guard let decoded = String(validating: bytes, as: UTF8.self), !decoded.utf8.contains(0) else {
            throw bad("has a \(part) that is not UTF-8 text after its %XX are decoded")
        }
        return decoded
    }

    private static func bad(_ what: String) -> MessagingError {
        MessagingError(.misconfigured, "transport_url \(what).")
    }
}
