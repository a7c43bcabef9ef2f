/// The assignments of one configuration file, read by oslo.config's line rules.
///
/// Comments start in column 0 only: an indented `#` after an assignment *continues* that assignment's value.
/// There are no comments behind a value and no escapes. Every line is judged, so that one reading reports
/// every mistake in the file.
struct INIDocument {
    struct Assignment: Equatable {
        /// As written between the brackets.
        var section: String
        var key: String
        /// Continuation lines are joined by newlines.
        var value: String
        /// Where the assignment starts, counted from one.
        var line: Int
    }

    struct Fault: Equatable {
        var line: Int
        var reason: String
        /// The start of the offending line; empty if there is nothing to show.
        var excerpt: String
    }

    private(set) var assignments: [Assignment] = []
    private(set) var faults: [Fault] = []

    private var section = SectionState.none
    private var open: (key: String, lines: [String], line: Int)?

    private enum SectionState {
        case none
        case named(String)
        /// After a section header that cannot be read: what follows belongs to nobody.
        case unreadable
    }

    /// Never fails; look at `faults`.
    init(bytes: [UInt8]) {
        var number = 0
        var rest = bytes[...]
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) {
            faults.append(
                Fault(
                    line: 1,
                    reason: "The file starts with a byte order mark; save it as UTF-8 without one",
                    excerpt: ""
                )
            )
            rest = rest.dropFirst(3)
        }
        while let line = Self.nextLine(&rest) {
            number += 1
            read(line, number)
        }
        close()
    }

    /// Cuts one line off; LF, CRLF and a lone CR end it, as in Python's text files.
    private static func nextLine(_ rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        guard !rest.isEmpty else { return nil }
        guard let end = rest.firstIndex(where: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }) else {
            defer { rest = [] }
            return rest
        }
        let line = rest[..<end]
        var next = end + 1
        if rest[end] == UInt8(ascii: "\r"), next < rest.endIndex, rest[next] == UInt8(ascii: "\n") { next += 1 }
        rest = rest[next...]
        return line
    }

    private mutating func read(_ bytes: ArraySlice<UInt8>, _ number: Int) {
        // Comments are not looked into: an old file may hold them in another encoding.
        if bytes.first == UInt8(ascii: "#") || bytes.first == UInt8(ascii: ";") { return close() }
        guard !bytes.contains(0) else {
            close()
            return fault(number, "The line contains a NUL byte; is this a text file?", nil)
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            close()
            return fault(number, "The line is not valid UTF-8", nil)
        }
        let line = text.trimmedEnd
        if line.isEmpty { return close() }
        if bytes.first == UInt8(ascii: " ") || bytes.first == UInt8(ascii: "\t") {
            guard open != nil else { return fault(number, "Unexpected continuation line", line.trimmedStart) }
            open?.lines.append(String(line.trimmedStart))
            return
        }
        close()
        if bytes.first == UInt8(ascii: "[") { startSection(line, number) } else { startAssignment(line, number) }
    }

    private mutating func startSection(_ line: Substring, _ number: Int) {
        section = .unreadable
        guard line.utf8.last == UInt8(ascii: "]") else {
            return fault(number, "Invalid section (must end with ])", line)
        }
        let name = line.unicodeScalars.dropFirst().dropLast()
        guard !name.isEmpty else { return fault(number, "Empty section name", line) }
        section = .named(String(name))
    }

    private mutating func startAssignment(_ line: Substring, _ number: Int) {
        guard let separator = line.unicodeScalars.firstIndex(where: { $0 == "=" || $0 == ":" }) else {
            return fault(number, "No ':' or '=' found in assignment", line)
        }
        let key = line[..<separator].trimmed
        guard !key.isEmpty else { return fault(number, "Key cannot be empty", nil) }
        if case .none = section { fault(number, "Section must be started before assignment", key) }
        let after = line.unicodeScalars.index(after: separator)
        open = (String(key), [Self.unquoted(line[after...].trimmed)], number)
    }

    /// One pair of equal quotes around the whole value goes away; a lone quote is an empty value.
    private static func unquoted(_ value: Substring) -> String {
        guard let first = value.unicodeScalars.first, first == "\"" || first == "'",
            value.unicodeScalars.last == first
        else { return String(value) }
        return String(value.unicodeScalars.dropFirst().dropLast())
    }

    private mutating func close() {
        defer { open = nil }
        guard let open, case .named(let section) = section else { return }
        assignments.append(
            Assignment(section: section, key: open.key, value: open.lines.joined(separator: "\n"), line: open.line)
        )
    }

    /// Only the first word is shown: the rest of a broken line may be a password.
    private mutating func fault(_ number: Int, _ reason: String, _ line: Substring?) {
        guard faults.count < Self.faultsMax else { return }
        guard let line else { return faults.append(Fault(line: number, reason: reason, excerpt: "")) }
        let word = line.prefix { !$0.isWhitespace }.prefix(40)
        let excerpt = Masking.excerpt(String(word)) + (word.endIndex == line.endIndex ? "" : "…")
        faults.append(Fault(line: number, reason: reason, excerpt: excerpt))
    }

    /// A file that is something else altogether has a mistake on every line; the first ones say enough.
    static let faultsMax = 20
}
