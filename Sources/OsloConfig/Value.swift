/// A value after its text was read as its option's kind.
enum Value: Hashable, Sendable {
    case unset
    case string(String)
    case boolean(Bool)
    case integer(Int)
    case float(Double)
    case list([String])

    /// The text that stands in for the option where another value names it with `$`.
    var text: String {
        switch self {
        case .unset: ""
        case .string(let text): text
        case .boolean(let isTrue): isTrue ? "True" : "False"
        case .integer(let number): String(number)
        case .float(let number): String(number)
        case .list(let items): items.joined(separator: ",")
        }
    }

    /// The form Python prints in oslo.config's option dump, which operators compare between releases.
    var pythonForm: String {
        switch self {
        case .unset: "None"
        case .string, .boolean, .integer, .float: text
        case .list(let items): Self.pythonList(items)
        }
    }

    /// `['a', 'b']`.
    static func pythonList(_ items: [String]) -> String {
        "[" + items.map(pythonQuoted).joined(separator: ", ") + "]"
    }

    /// Single quotes, unless the text has one and no double quote; control characters as escapes.
    private static func pythonQuoted(_ text: String) -> String {
        let quote: Unicode.Scalar = text.contains("'") && !text.contains("\"") ? "\"" : "'"
        var quoted = String(quote)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\r": quoted += "\\r"
            case "\t": quoted += "\\t"
            case quote: quoted += "\\\(scalar)"
            case _ where scalar.value < 0x20 || scalar.value == 0x7F:
                let digits = String(scalar.value, radix: 16)
                quoted += "\\x" + (digits.count < 2 ? "0" : "") + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + String(quote)
    }
}
