/// Reads the text of a value as its option's kind, by the rules (and nearly the words) of oslo.config's types.
enum ValueReader {
    /// Why a text is not a value of its kind.
    struct Refusal: Error, Equatable {
        var sentence: String

        /// The reason, with the value shown unless the option is secret.
        init(_ sentence: String, quoting value: String, isSecret: Bool) {
            let shown = isSecret ? Masking.mask : Masking.excerpt(value)
            self.sentence = "\(sentence) '\(shown)'"
        }

        init(_ sentence: String) { self.sentence = sentence }
    }

    static func read(_ text: String, for option: Option) throws(Refusal) -> Value {
        switch option.kind {
        case .string(let choices): return .string(try choice(text, choices, option))
        case .boolean: return .boolean(try boolean(text, option))
        case .integer(let min, let max):
            guard let number = try integer(text, option) else { return .unset }
            return .integer(try ranged(number, min, max))
        case .port:
            guard let number = try integer(text, option) else { return .unset }
            return .integer(try ranged(number, 0, 65535))
        case .float(let min, let max):
            guard let number = try float(text, option) else { return .unset }
            return .float(try ranged(number, min, max))
        case .list: return .list(list(text))
        case .multiString: return .list([text])
        case .hostAddress:
            guard let host = HostAddress.canonical(text) else {
                throw Refusal(
                    "Expected an IPv4 or IPv6 address without brackets, or a host name, but found",
                    quoting: text,
                    isSecret: option.isSecret
                )
            }
            return .string(host)
        }
    }

    private static func choice(_ text: String, _ choices: [String]?, _ option: Option) throws(Refusal) -> String {
        guard let choices else { return text }
        if choices.contains(text) { return text }
        if option.ignoresChoiceCase,
            let choice = choices.first(where: { $0.lowercased() == text.lowercased() })
        {
            return choice
        }
        let allowed = choices.map { $0.isEmpty ? "''" : $0 }.joined(separator: ", ")
        throw Refusal("Valid values are [\(allowed)], but found", quoting: text, isSecret: option.isSecret)
    }

    private static func boolean(_ text: String, _ option: Option) throws(Refusal) -> Bool {
        switch text.lowercased() {
        case "true", "1", "on", "yes": return true
        case "false", "0", "off", "no": return false
        default: throw Refusal("Unexpected boolean value", quoting: text, isSecret: option.isSecret)
        }
    }

    /// Python's `int()`: blanks around, a sign, and single underscores between digits are allowed.
    private static func integer(_ text: String, _ option: Option) throws(Refusal) -> Int? {
        let trimmed = text.trimmed
        if trimmed.isEmpty { return nil }
        guard let digits = withoutUnderscores(trimmed), Self.isDecimal(digits) else {
            throw Refusal("Expected a whole decimal number, but found", quoting: text, isSecret: option.isSecret)
        }
        guard let number = Int(digits) else {
            throw Refusal("The number is too large:", quoting: text, isSecret: option.isSecret)
        }
        return number
    }

    private static func isDecimal(_ text: String) -> Bool {
        let digits =
            text.utf8.first == UInt8(ascii: "+") || text.utf8.first == UInt8(ascii: "-")
            ? text.utf8.dropFirst() : text.utf8[...]
        return !digits.isEmpty && digits.allSatisfy(isDigit)
    }

    /// Python's `float()` without its names for infinity and not-a-number: no option of ours can mean those.
    private static func float(_ text: String, _ option: Option) throws(Refusal) -> Double? {
        let trimmed = text.trimmed
        if trimmed.isEmpty { return nil }
        let allowed = Array("0123456789+-.eE".utf8)
        guard let digits = withoutUnderscores(trimmed), digits.utf8.allSatisfy(allowed.contains),
            let number = Double(digits.hasSuffix(".") ? digits + "0" : digits), number.isFinite
        else {
            throw Refusal("Expected a decimal number, but found", quoting: text, isSecret: option.isSecret)
        }
        return number
    }

    /// Nil if an underscore is not between two digits.
    private static func withoutUnderscores(_ text: Substring) -> String? {
        let bytes = Array(text.utf8)
        for index in bytes.indices where bytes[index] == UInt8(ascii: "_") {
            guard index > 0, index + 1 < bytes.count, isDigit(bytes[index - 1]), isDigit(bytes[index + 1]) else {
                return nil
            }
        }
        return String(decoding: bytes.filter { $0 != UInt8(ascii: "_") }, as: UTF8.self)
    }

    private static func isDigit(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
    }

    private static func ranged<Number: Comparable>(
        _ number: Number,
        _ min: Number?,
        _ max: Number?
    ) throws(Refusal) -> Number {
        if let min, number < min { throw Refusal("Should be greater than or equal to \(min), but found '\(number)'") }
        if let max, number > max { throw Refusal("Should be less than or equal to \(max), but found '\(number)'") }
        return number
    }

    /// Commas at the end are dropped, empty items elsewhere are kept, quotes are ordinary characters.
    private static func list(_ text: String) -> [String] {
        var text = text.trimmed.unicodeScalars
        while text.last == "," { text.removeLast() }
        if text.isEmpty { return [] }
        return text.split(separator: ",", omittingEmptySubsequences: false).map { String(Substring($0).trimmed) }
    }
}
