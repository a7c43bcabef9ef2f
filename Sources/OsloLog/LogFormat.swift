/// One of Python's `%(key)s` format strings, taken apart once.
///
/// Nothing in a format can stop the program: a mistake in it becomes part of the log lines, where the operator
/// who made it will see it.
struct LogFormat: Sendable, Equatable {
    /// What `%(…)X` may be in a record's values.
    enum Value: Equatable {
        /// May hold anything from outside; it is escaped.
        case text(String)
        /// Printed as it is, such as a colour.
        case trusted(String)
        case integer(Int)
        case float(Double)
    }

    enum Piece: Sendable, Equatable {
        case literal(String)
        case field(key: String, Conversion)
    }

    /// The part between the key and the end of a conversion.
    struct Conversion: Sendable, Equatable {
        var isLeftAligned = false
        var isZeroPadded = false
        var width = 0
        var precision: Int?
        var letter: Character = "s"
    }

    private(set) var pieces: [Piece] = []
    /// What is wrong with the format string; nil if nothing is.
    private(set) var fault: String?

    /// More is not a column any more but a mistake that would fill the disk.
    private static let widthMax = 1_000

    init(_ text: String) {
        var scanner = text[...]
        var literal = ""
        while let character = scanner.popFirst() {
            guard character == "%" else {
                literal.append(character)
                continue
            }
            if scanner.first == "%" {
                scanner.removeFirst()
                literal.append("%")
                continue
            }
            guard let field = Self.field(&scanner) else {
                fault = "invalid conversion in \(text.debugDescription)"
                return
            }
            if !literal.isEmpty { pieces.append(.literal(literal)) }
            literal = ""
            pieces.append(field)
        }
        if !literal.isEmpty { pieces.append(.literal(literal)) }
    }

    /// Reads `(key)`, flags, width, precision and letter behind a per-cent sign.
    private static func field(_ scanner: inout Substring) -> Piece? {
        guard scanner.popFirst() == "(", let end = scanner.firstIndex(of: ")") else { return nil }
        let key = String(scanner[..<end])
        scanner = scanner[scanner.index(after: end)...]
        var conversion = Conversion()
        while let flag = scanner.first, "-0+ #".contains(flag) {
            if flag == "-" { conversion.isLeftAligned = true }
            if flag == "0" { conversion.isZeroPadded = true }
            scanner.removeFirst()
        }
        conversion.width = number(&scanner) ?? 0
        if scanner.first == "." {
            scanner.removeFirst()
            conversion.precision = number(&scanner) ?? 0
        }
        guard let letter = scanner.popFirst(), "srdif".contains(letter), conversion.width <= widthMax,
            conversion.precision ?? 0 <= widthMax
        else { return nil }
        conversion.letter = letter
        return .field(key: key, conversion)
    }

    private static func number(_ scanner: inout Substring) -> Int? {
        let digits = scanner.prefix { $0.isASCII && $0.isNumber }
        scanner.removeFirst(digits.count)
        return Int(digits.prefix(5))
    }

    func contains(_ key: String) -> Bool {
        pieces.contains { if case .field(key, _) = $0 { true } else { false } }
    }

    /// Appends the rendered text.
    ///
    /// - Returns: nil, or the first thing that could not be rendered. What was appended is worthless then.
    func render(into text: inout LogText, _ value: (String) -> Value?) -> String? {
        if let fault { return fault }
        for piece in pieces {
            switch piece {
            case .literal(let literal): text.append(literal)
            case .field(let key, let conversion):
                guard let value = value(key) else { return "unknown key \(key.debugDescription)" }
                guard conversion.append(value, to: &text) else {
                    return "%(\(key))\(conversion.letter): a number is required"
                }
            }
        }
        return nil
    }
}

extension LogFormat.Conversion {
    /// - Returns: false if a number was wanted and the value is none.
    func append(_ value: LogFormat.Value, to text: inout LogText) -> Bool {
        // The milliseconds of every line.
        if case ("d", .integer(let number)) = (letter, value), number >= 0, isZeroPadded, !isLeftAligned {
            text.append(decimal: number, digits: width)
            return true
        }
        var field = LogText(capacity: 32)
        switch (letter, value) {
        case ("d", .integer(let number)), ("i", .integer(let number)):
            field.append(decimal: number, digits: isZeroPadded && !isLeftAligned ? width : 1)
        case ("d", .float(let number)), ("i", .float(let number)):
            field.append(decimal: Int(number), digits: isZeroPadded && !isLeftAligned ? width : 1)
        case ("f", .integer(let number)): append(fixed: Double(number), to: &field)
        case ("f", .float(let number)): append(fixed: number, to: &field)
        case (_, .text) where letter != "s" && letter != "r", (_, .trusted) where letter != "s" && letter != "r":
            return false
        case (_, .text(let string)): field.append(escaping: precision.map { String(string.prefix($0)) } ?? string)
        case (_, .trusted(let string)): field.append(string)
        case (_, .integer(let number)): field.append(decimal: number, digits: 1)
        case (_, .float(let number)): append(fixed: number, to: &field)
        }
        // Columns are counted in characters, as Python does; escaped text is ASCII or whole characters.
        let missing = width - String(decoding: field.bytes, as: UTF8.self).count
        let padding = String(repeating: " ", count: max(0, missing))
        if !isLeftAligned { text.append(padding) }
        text.append(raw: field.bytes)
        if isLeftAligned { text.append(padding) }
        return true
    }

    /// With six decimals unless the format says otherwise; more than nine are not kept.
    private func append(fixed number: Double, to field: inout LogText) {
        let decimals = min(precision ?? 6, 9)
        let scale = (0..<decimals).reduce(1.0) { result, _ in result * 10 }
        let scaled = (number.magnitude * scale).rounded()
        guard scaled < 9e18 else {
            field.append("\(number)")
            return
        }
        if number < 0 { field.append("-") }
        let (whole, fraction) = Int(scaled).quotientAndRemainder(dividingBy: Int(scale))
        field.append(decimal: whole, digits: 1)
        guard decimals > 0 else { return }
        field.append(".")
        field.append(decimal: fraction, digits: decimals)
    }
}
