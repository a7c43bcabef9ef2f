/// Keeps credentials out of what is shown.
enum Masking {
    /// What stands for a secret, whatever its length and even if it is empty.
    static let mask = "****"

    /// `scheme://user:password@host` without the user and password. Everything up to the last `@` goes: a
    /// password may hold any character, and of several hosts each may have its own.
    static func withoutCredentials(_ text: String) -> String {
        let bytes = Array(text.utf8)
        guard let start = bytes.indices.first(where: { bytes[$0...].starts(with: "://".utf8) }),
            let end = bytes.lastIndex(of: UInt8(ascii: "@")), end > start
        else { return text }
        return String(decoding: bytes[..<(start + 3)], as: UTF8.self) + mask
            + String(decoding: bytes[end...], as: UTF8.self)
    }

    /// A value as it may stand in an error message: on one line, of bearable length, without credentials.
    static func excerpt(_ text: String) -> String {
        var shown = ""
        for scalar in withoutCredentials(text).unicodeScalars {
            guard shown.utf8.count < excerptBytesMax else { return shown + "…" }
            switch scalar {
            case "\n": shown += "\\n"
            case "\r": shown += "\\r"
            case "\t": shown += "\\t"
            case _ where scalar.properties.generalCategory == .control: shown += "\\x" + String(scalar.value, radix: 16)
            default: shown.unicodeScalars.append(scalar)
            }
        }
        return shown
    }

    private static let excerptBytesMax = 200

    static func withoutCredentials(_ value: Value) -> Value {
        switch value {
        case .string(let text): .string(withoutCredentials(text))
        case .list(let items): .list(items.map(withoutCredentials))
        case .unset, .boolean, .integer, .float: value
        }
    }
}
