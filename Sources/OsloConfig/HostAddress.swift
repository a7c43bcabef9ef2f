import Glibc

/// What may stand where a host is named: an address literal, or a host name of RFC 1123.
enum HostAddress {
    /// The address or name without a closing dot, which certificates do not have; nil if it is neither.
    static func canonical(_ text: String) -> String? {
        if isAddress(text) { return text }
        guard isHostName(text) else { return nil }
        return text.hasSuffix(".") ? String(text.dropLast()) : text
    }

    private static func isAddress(_ text: String) -> Bool {
        guard !text.utf8.contains(0) else { return false }
        var storage = in6_addr()
        return inet_pton(AF_INET, text, &storage) == 1 || inet_pton(AF_INET6, text, &storage) == 1
    }

    /// Labels of 1 to 63 letters, digits and inner dashes, 253 characters in all; the last label must not be
    /// a number, because `10.0.0.999` is a mistyped address and not a name.
    private static func isHostName(_ text: String) -> Bool {
        var bytes = Array(text.utf8)
        if bytes.last == UInt8(ascii: ".") { bytes.removeLast() }
        guard (1...253).contains(bytes.count) else { return false }
        let labels = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        let dash = UInt8(ascii: "-")
        for label in labels {
            guard (1...63).contains(label.count), label.first != dash, label.last != dash,
                label.allSatisfy({ isLetter($0) || isDigit($0) || $0 == dash })
            else { return false }
        }
        return labels.last?.contains { !isDigit($0) } ?? false
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }
}
