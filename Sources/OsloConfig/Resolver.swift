/// Turns the texts that count into values: substitutes `$name`, then reads the result as the option's kind.
///
/// A value may name any option, also one that is not in our table as long as a file sets it: a
/// `neutron.conf` is shared with programs that know more options than ours. Every failure is kept as a
/// problem, and an option that merely depends on a failed one adds no second.
struct Resolver {
    private enum State {
        case inProgress
        case done(Value)
        case failed
    }

    /// Why a text could not be substituted.
    private enum Fault: Error {
        case unknown(String)
        case cycle([String])
        case tooDeep
        case tooLong
        /// The option named has a problem of its own, which is reported there.
        case dependency
    }

    /// Enough for any real chain; keeps a made-up one off the end of the stack.
    static let depthMax = 64
    /// Keeps doubling references from filling memory.
    static let expandedBytesMax = 1024 * 1024

    private(set) var problems: [ConfigurationError.Problem] = []
    private let raw: RawValues
    private let options: [Option.Name: Option]
    private var states: [Option.Name: State] = [:]
    /// Names being resolved, outermost first.
    private var path: [Option.Name] = []

    init(raw: RawValues, options: [Option.Name: Option]) {
        self.raw = raw
        self.options = options
    }

    /// Nil if the option has no valid value; then `problems` says why.
    mutating func value(of option: Option) -> Value? {
        switch states[option.key] {
        case .done(let value): return value
        case .failed, .inProgress: return nil
        case nil: break
        }
        states[option.key] = .inProgress
        path.append(option.key)
        var value = read(option)
        path.removeLast()
        // What has no effect cannot keep the program from starting either.
        if value == nil, case .none = option.effect { value = .unset }
        states[option.key] = value.map { .done($0) } ?? .failed
        return value
    }

    private mutating func read(_ option: Option) -> Value? {
        var texts = raw.winners(for: option)
        if texts.isEmpty {
            guard let text = option.defaultValue else { return .unset }
            let name = Option.Name(group: option.group, name: option.name)
            texts = [RawValue(text: text, origin: .builtIn, name: name)]
        }
        var value = Value.unset
        for text in texts {
            let expanded: String
            do throws(Fault) {
                expanded = try expand(text.text, in: option.group)
            } catch {
                if let reason = Self.reason(error, option) { report(option, text, reason) }
                return nil
            }
            do throws(ValueReader.Refusal) {
                let next = try ValueReader.read(expanded, for: option)
                if case .list(let items) = value, case .list(let more) = next {
                    value = .list(items + more)
                } else {
                    value = next
                }
            } catch {
                report(option, text, error.sentence, invalid: expanded)
                return nil
            }
        }
        return value
    }

    // MARK: Substitution

    private mutating func expand(_ text: String, in group: String) throws(Fault) -> String {
        var rest = text.unicodeScalars[...]
        guard rest.contains("$") else { return text }
        var expanded = ""
        while let scalar = rest.popFirst() {
            if scalar == "\\", rest.first == "$" {
                rest.removeFirst()
                expanded += "$"
            } else if scalar != "$" {
                expanded.unicodeScalars.append(scalar)
            } else if rest.first == "$" {
                rest.removeFirst()
                expanded += "$"
            } else if let reference = Self.takeReference(&rest) {
                expanded += try replacement(reference, group)
            } else {
                expanded += "$"
            }
            guard expanded.utf8.count <= Self.expandedBytesMax else { throw .tooLong }
        }
        return expanded
    }

    private struct Reference {
        var name: String
        var isBraced: Bool
    }

    /// The identifier after a `$`; nil if none follows, and then the `$` is an ordinary character.
    private static func takeReference(_ rest: inout String.UnicodeScalarView.SubSequence) -> Reference? {
        let isBraced = rest.first == "{"
        let start = isBraced ? rest.dropFirst() : rest
        guard let first = start.first, first == "_" || isLetter(first) else { return nil }
        let name = start.prefix { $0 == "_" || $0 == "." || isLetter($0) || ("0"..."9").contains($0) }
        var after = start[name.endIndex...]
        if isBraced {
            guard after.popFirst() == "}" else { return nil }
        }
        rest = after
        return Reference(name: String(name), isBraced: isBraced)
    }

    private static func isLetter(_ scalar: Unicode.Scalar) -> Bool {
        ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar)
    }

    /// `$a.b` is option `b` of group `a` since Liberty, and option `a` followed by `.b` before: the longest
    /// reading that names an option is taken.
    private mutating func replacement(_ reference: Reference, _ group: String) throws(Fault) -> String {
        var name = reference.name[...]
        while true {
            if let text = try text(of: name, group) { return text + reference.name[name.endIndex...] }
            guard !reference.isBraced, let dot = name.lastIndex(of: ".") else { throw .unknown(reference.name) }
            name = name[..<dot]
        }
    }

    /// The value that `name` stands for in a value of `group`; nil if there is no such option.
    private mutating func text(of name: Substring, _ group: String) throws(Fault) -> String? {
        let candidates: [Option.Name]
        if let dot = name.firstIndex(of: ".") {
            candidates = [
                Option.Name(group: String(name[..<dot]), name: String(name[name.index(after: dot)...])).normalized
            ]
        } else {
            candidates = [
                Option.Name(group: group, name: String(name)).normalized, Option.Name(name: String(name)),
            ]
        }
        for candidate in candidates {
            if case .inProgress? = states[candidate] { throw .cycle(cycle(to: candidate)) }
            guard path.count < Self.depthMax else { throw .tooDeep }
            if let option = options[candidate] {
                guard let value = value(of: option) else { throw .dependency }
                return value.text
            }
        }
        for candidate in candidates {
            guard let value = raw.lastInFiles(candidate) else { continue }
            return try unregistered(candidate, value)
        }
        return nil
    }

    private mutating func unregistered(_ name: Option.Name, _ value: RawValue) throws(Fault) -> String {
        switch states[name] {
        case .done(let value): return value.text
        case .failed, .inProgress: throw .dependency
        case nil: break
        }
        states[name] = .inProgress
        path.append(name)
        defer { path.removeLast() }
        do throws(Fault) {
            let text = try expand(value.text, in: name.group)
            states[name] = .done(.string(text))
            return text
        } catch {
            // Not `.failed`: nobody else would report it.
            states[name] = nil
            throw error
        }
    }

    private func cycle(to name: Option.Name) -> [String] {
        let start = path.firstIndex(of: name) ?? path.startIndex
        return (path[start...] + [name]).map { "$" + $0.name }
    }

    // MARK: Problems

    private static func reason(_ fault: Fault, _ option: Option) -> String? {
        switch fault {
        case .unknown where option.isSecret:
            // The name after the dollar sign is a part of the secret.
            "it names an option that does not exist; write $$ for a dollar sign"
        case .unknown(let name):
            "no such option '\(name)'; write $$ for a dollar sign"
        case .cycle(let names): "the values name each other in a circle: \(names.joined(separator: " → "))"
        case .tooDeep: "more than \(depthMax) options name each other in a row"
        case .tooLong: "the value is longer than \(expandedBytesMax) bytes after substitution"
        case .dependency: nil
        }
    }

    /// `invalid` is the substituted text, if that is what is wrong.
    private mutating func report(_ option: Option, _ value: RawValue, _ reason: String, invalid: String? = nil) {
        if case .none = option.effect { return }
        let name = Option.Name(group: option.group, name: option.name)
        var problem = ConfigurationError.Problem(option: name, message: "")
        if case .file(let path, let line) = value.origin {
            problem.file = path
            problem.line = line
        }
        if case .commandLine(let spelling) = value.origin, let invalid {
            let shown = option.isSecret ? Masking.mask : Masking.excerpt(invalid)
            problem.message = "argument \(spelling): Invalid \(option.kind.pythonName) value: \(shown) (\(reason))"
        } else {
            let alias = value.name.normalized == option.key ? "" : " (written as \(value.name.display))"
            problem.message = "Value for option \(name.display)\(alias) from \(value.origin) is not valid: \(reason)"
        }
        problems.append(problem)
    }
}

extension Option.Name {
    /// `name` in `DEFAULT`, `group.name` elsewhere, as in the option dump.
    var display: String { group == "DEFAULT" ? name : "\(group).\(name)" }
}

extension Option.Kind {
    /// The name of oslo.config's class for it.
    var pythonName: String {
        switch self {
        case .string: "String"
        case .boolean: "Boolean"
        case .integer: "Integer"
        case .float: "Float"
        case .port: "Port"
        case .list: "List"
        case .multiString: "MultiString"
        case .hostAddress: "HostAddress"
        }
    }
}
