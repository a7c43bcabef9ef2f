/// The text of a value and where it stands.
struct RawValue: Hashable {
    enum Origin: Hashable {
        case file(path: String, line: Int)
        case environment(variable: String)
        case commandLine(spelling: String)
        case builtIn
    }

    var text: String
    var origin: Origin
    /// The name it was set by, which may be a deprecated one.
    var name: Option.Name
}

extension RawValue.Origin: CustomStringConvertible {
    var description: String {
        switch self {
        case .file(let path, let line): "\(path):\(line)"
        case .environment(let variable): "environment variable \(variable)"
        case .commandLine(let spelling): "command line argument \(spelling)"
        case .builtIn: "its default"
        }
    }
}

/// Everything that was set, in the order in which it was read, and the rule that says which value counts.
struct RawValues {
    private enum Layer {
        /// Values of one file by normalized name.
        case file([Option.Name: [RawValue]])
        case argument(option: Option.Name, value: RawValue)
    }

    private var layers: [Layer] = []
    private let environment: [String: String]

    init(environment: [String: String]) {
        self.environment = environment
    }

    mutating func add(_ document: INIDocument, path: String) {
        var values: [Option.Name: [RawValue]] = [:]
        for assignment in document.assignments {
            let name = Option.Name(group: assignment.section, name: assignment.key)
            values[name.normalized, default: []].append(
                RawValue(text: assignment.value, origin: .file(path: path, line: assignment.line), name: name)
            )
        }
        layers.append(.file(values))
    }

    mutating func add(argument text: String, spelling: String, for option: Option) {
        let name = Option.Name(group: option.group, name: option.name)
        layers.append(
            .argument(
                option: option.key,
                value: RawValue(text: text, origin: .commandLine(spelling: spelling), name: name)
            )
        )
    }

    /// The value that counts (several only for `multiString`); empty if the option is not set.
    ///
    /// What was read last wins, be it file or argument; within one file the current name wins over a
    /// deprecated one. The environment beats files and yields to the command line.
    func winners(for option: Option) -> [RawValue] {
        let read = option.kind == .multiString ? readMultiple(option) : readLast(option).map { [$0] } ?? []
        if case .commandLine? = read.last?.origin { return read }
        let variable = Self.variable(option.group, option.name)
        guard let text = environment[variable] else { return read }
        let name = Option.Name(group: option.group, name: option.name)
        return [RawValue(text: text, origin: .environment(variable: variable), name: name)]
    }

    /// The last value of a name in files, registered or not.
    func lastInFiles(_ name: Option.Name) -> RawValue? {
        for case .file(let values) in layers.reversed() {
            if let value = values[name.normalized]?.last { return value }
        }
        return nil
    }

    /// `OS_GROUP__OPTION`, since Stein.
    static func variable(_ group: String, _ name: String) -> String {
        "OS_\(group)__\(name)".uppercased()
    }

    private func readLast(_ option: Option) -> RawValue? {
        let names = Self.names(option)
        for layer in layers.reversed() {
            switch layer {
            case .argument(option.key, let value): return value
            case .argument: continue
            case .file(let values):
                for name in names {
                    if let value = values[name]?.last { return value }
                }
            }
        }
        return nil
    }

    private func readMultiple(_ option: Option) -> [RawValue] {
        let names = Self.names(option)
        var inFiles: [RawValue] = []
        var inArguments: [RawValue] = []
        for layer in layers {
            switch layer {
            case .argument(option.key, let value): inArguments.append(value)
            case .argument: continue
            // Old names come first, as in oslo.config.
            case .file(let values): inFiles += names.reversed().flatMap { values[$0] ?? [] }
            }
        }
        return inArguments.isEmpty ? inFiles : inArguments
    }

    /// The current name first.
    private static func names(_ option: Option) -> [Option.Name] {
        [option.key] + option.deprecatedNames.map(\.normalized)
    }
}

extension RawValues {
    /// Names set in `group`, by file or environment, that are not in `known`.
    func unknownNames(in group: String, known: Set<String>) -> [(name: Option.Name, origin: RawValue.Origin)] {
        var unknown: [(name: Option.Name, origin: RawValue.Origin)] = []
        for case .file(let values) in layers {
            let mistakes = values.filter { $0.key.group == group && !known.contains($0.key.name) }
            unknown += mistakes.values.compactMap(\.first).map { ($0.name, $0.origin) }
                .sorted { $0.1.line < $1.1.line }
        }
        let prefix = Self.variable(group, "")
        let variables = Set(known.map { Self.variable(group, $0) })
        for variable in environment.keys.sorted() where variable.hasPrefix(prefix) && !variables.contains(variable) {
            let name = Option.Name(group: group, name: variable.dropFirst(prefix.count).lowercased())
            unknown.append((name, .environment(variable: variable)))
        }
        return unknown
    }
}

extension RawValue.Origin {
    /// 0 if it is not a file.
    fileprivate var line: Int {
        if case .file(_, let line) = self { line } else { 0 }
    }
}
