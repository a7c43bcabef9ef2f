/// Reads a command line by argparse's rules, as far as oslo.config uses them: `--name value`, `--name=value`,
/// unambiguous abbreviations, `--noNAME` for booleans, letters such as `-d`, no positional words.
///
/// Dashes and underscores in a name are interchangeable; the reference takes only the registered spelling.
/// Values are not judged here, only the shape of the command line.
struct ArgumentScanner {
    enum Event: Hashable {
        case configFile(String)
        case configDirectory(String)
        /// `option` is an index into the option table; `spelling` is how it was written, without its value.
        case value(option: Int, text: String, spelling: String)
        /// `--help` or `--version`: what comes after is not looked at.
        case help
        case version
    }

    /// Why the command line cannot be understood: one sentence, as argparse prints it after `error:`.
    struct Fault: Error, Equatable {
        var sentence: String
    }

    private enum Target: Hashable {
        case option(Int)
        case negation(of: Int)
        case configFile, configDirectory, help, version
    }

    /// Spelling with underscores to target, and the spelling to show.
    private var targets: [String: (target: Target, shown: String)] = [:]
    private var letters: [Character: Target] = ["h": .help]
    private let options: [Option]

    init(options: [Option]) {
        self.options = options
        for (spelling, target) in Self.ownSpellings { add(spelling, target) }
        for (index, option) in options.enumerated() {
            for spelling in option.commandLine?.spellings ?? [] { add(spelling, .option(index)) }
            if let letter = option.commandLine?.short, letters[letter] == nil { letters[letter] = .option(index) }
        }
        for (index, option) in options.enumerated() where option.kind == .boolean {
            for spelling in option.commandLine?.spellings ?? [] { add("no" + spelling, .negation(of: index)) }
        }
    }

    private static let ownSpellings: [(String, Target)] = [
        ("config-file", .configFile), ("config-dir", .configDirectory), ("help", .help), ("version", .version),
    ]

    private mutating func add(_ spelling: String, _ target: Target) {
        let key = Self.canonical(spelling)
        if targets[key] == nil { targets[key] = (target, "--" + spelling) }
    }

    private static func canonical(_ spelling: some StringProtocol) -> String {
        String(spelling.map { $0 == "-" ? "_" : $0 })
    }

    /// Events in the order of the command line, which decides between a file and an argument.
    func scan(_ arguments: [String]) throws(Fault) -> [Event] {
        var events: [Event] = []
        var unrecognized: [String] = []
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            if argument == "--" {
                unrecognized += [argument] + rest
                break
            }
            let count = events.count
            let isRecognized =
                if argument.hasPrefix("--") {
                    try scanLong(argument, &rest, &events)
                } else if argument.hasPrefix("-"), argument != "-" {
                    try scanLetters(argument, &rest, &events)
                } else {
                    false
                }
            if !isRecognized { unrecognized.append(argument) }
            if events[count...].contains(where: { $0 == .help || $0 == .version }) { return events }
        }
        guard unrecognized.isEmpty else {
            let words = unrecognized.map { Masking.withoutCredentials($0) }.joined(separator: " ")
            throw Fault(sentence: "unrecognized arguments: \(words)")
        }
        return events
    }

    private func scanLong(
        _ argument: String,
        _ rest: inout ArraySlice<String>,
        _ events: inout [Event]
    ) throws(Fault) -> Bool {
        let parts = argument.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        guard let name = parts.first, let (target, shown) = try find(name) else { return false }
        events.append(try event(target, shown, parts.count > 1 ? String(parts[1]) : nil, &rest))
        return true
    }

    /// Exact spellings first, then abbreviations, which must all mean the same thing.
    private func find(_ name: Substring) throws(Fault) -> (target: Target, shown: String)? {
        let key = Self.canonical(name)
        if let exact = targets[key] { return exact }
        if key.isEmpty { return nil }
        let matches = targets.filter { $0.key.hasPrefix(key) }.values.sorted { $0.shown < $1.shown }
        guard Set(matches.map(\.target)).count < 2 else {
            let candidates = matches.map(\.shown).joined(separator: ", ")
            throw Fault(sentence: "ambiguous option: --\(name) could match \(candidates)")
        }
        return matches.first
    }

    /// `-d`, several flags in one word as in `-dv`, or a letter with its value in the same word.
    private func scanLetters(
        _ argument: String,
        _ rest: inout ArraySlice<String>,
        _ events: inout [Event]
    ) throws(Fault) -> Bool {
        var word = argument.dropFirst()
        while let letter = word.popFirst() {
            guard let target = letters[letter] else {
                if word.count + 2 == argument.count { return false }
                throw Fault(
                    sentence:
                        "argument -\(argument.dropFirst().prefix(1)): ignored explicit argument '\(letter)\(word)'"
                )
            }
            if case .option(let index) = target, options[index].kind != .boolean {
                let inline = word.first == "=" ? word.dropFirst() : word
                events.append(try event(target, "-\(letter)", word.isEmpty ? nil : String(inline), &rest))
                return true
            }
            events.append(try event(target, "-\(letter)", nil, &rest))
        }
        return true
    }

    private func event(
        _ target: Target,
        _ spelling: String,
        _ inline: String?,
        _ rest: inout ArraySlice<String>
    ) throws(Fault) -> Event {
        switch target {
        case .help: return try flag(.help, spelling, inline)
        case .version: return try flag(.version, spelling, inline)
        case .configFile: return .configFile(try value(spelling, inline, &rest))
        case .configDirectory: return .configDirectory(try value(spelling, inline, &rest))
        case .negation(let index):
            return try flag(.value(option: index, text: "false", spelling: spelling), spelling, inline)
        case .option(let index) where options[index].kind == .boolean:
            return try flag(.value(option: index, text: "true", spelling: spelling), spelling, inline)
        case .option(let index):
            return .value(option: index, text: try value(spelling, inline, &rest), spelling: spelling)
        }
    }

    private func flag(_ event: Event, _ spelling: String, _ inline: String?) throws(Fault) -> Event {
        guard let inline else { return event }
        throw Fault(sentence: "argument \(spelling): ignored explicit argument '\(inline)'")
    }

    /// The value behind `=`, or the next word unless that looks like an option.
    private func value(
        _ spelling: String,
        _ inline: String?,
        _ rest: inout ArraySlice<String>
    ) throws(Fault) -> String {
        if let inline { return inline }
        guard let word = rest.first, !Self.looksLikeOption(word) else {
            throw Fault(sentence: "argument \(spelling): expected one argument")
        }
        rest.removeFirst()
        return word
    }

    /// A lone dash, a negative number and anything with a blank in it are values.
    private static func looksLikeOption(_ word: String) -> Bool {
        guard word.hasPrefix("-"), word != "-" else { return false }
        let digits = word.dropFirst()
        let isNumber = Double(digits) != nil && digits.allSatisfy { $0.isNumber || $0 == "." }
        return !isNumber && !word.contains(" ")
    }
}
