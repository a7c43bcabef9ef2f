/// Reads a program's configuration: command line, files, environment and defaults, as oslo.config does.
///
/// Loading has no side effects and can be repeated (on SIGHUP): relative paths keep the meaning they had when
/// the loader was made, although a daemon changes its directory. It differs from oslo.config on purpose in
/// three ways: every value is checked at once and all mistakes are reported together, the environment never
/// beats the command line, and dashes and underscores in arguments are interchangeable.
public struct ConfigurationLoader: Sendable {
    let program: String
    let version: String
    let options: [Option]
    let summary: String
    let environment: [String: String]
    let paths: ConfigPaths
    private let usesDefaultFiles: Bool
    /// Groups in which nobody else has options, so that an unknown name can only be a mistake.
    private let ownGroups: Set<String>

    /// - Parameters:
    ///   - program: the base name of `argv[0]`; a `.py` at its end is cut off.
    ///   - project: the folder under `/etc` and the first file name searched for.
    ///   - version: what `--version` prints after the program.
    ///   - options: the program's tables; of two options with one name the first counts.
    ///   - usesDefaultFiles: false for a program that reads only what the command line names, such as the
    ///     namespace proxy (LP 1661106).
    ///   - environment: see `ProcessEnvironment`.
    ///   - summary: one sentence for `--help`.
    ///   - ownGroups: unknown names in these groups are errors, if `options` has any option in them.
    ///   - etcDirectory: where the system keeps configuration files.
    ///   - workingDirectory: what relative paths start from; nil for the current directory.
    public init(
        program: String,
        project: String = "neutron",
        version: String,
        options: [Option],
        usesDefaultFiles: Bool = true,
        environment: [String: String],
        summary: String = "",
        ownGroups: Set<String> = ["bellhop"],
        etcDirectory: String = "/etc",
        workingDirectory: String? = nil
    ) {
        let name = program.hasSuffix(".py") ? String(program.dropLast(3)) : program
        var seen: Set<Option.Name> = []
        self.program = name
        self.version = version
        self.options = options.filter { seen.insert($0.key).inserted }
        self.usesDefaultFiles = usesDefaultFiles
        self.environment = environment
        self.summary = summary
        self.ownGroups = ownGroups.filter { own in options.contains { $0.group == own } }
        paths = ConfigPaths(
            program: name,
            project: project,
            environment: environment,
            etcDirectory: etcDirectory,
            workingDirectory: workingDirectory ?? ConfigPaths.currentDirectory
        )
    }

    /// - Parameter arguments: the command line without the program's name.
    /// - Throws: everything that is wrong, in one error. A command line that cannot be understood is reported
    ///   alone, before any file is read.
    public func load(arguments: [String]) throws(ConfigurationError) -> CommandLineOutcome {
        let usage = Usage(program: program, options: options, summary: summary)
        let events: [ArgumentScanner.Event]
        do throws(ArgumentScanner.Fault) {
            events = try ArgumentScanner(options: options).scan(arguments)
        } catch {
            let problem = ConfigurationError.Problem(message: error.sentence)
            throw ConfigurationError(program: program, problems: [problem], exitStatus: 2, usage: usage.synopsis)
        }
        if events.contains(.help) { return .exit(status: 0, output: usage.help) }
        if events.contains(.version) { return .exit(status: 0, output: "\(program) \(version)\n") }

        var reader = ConfigReader(raw: RawValues(environment: environment))
        readDefaults(events, &reader)
        for event in events {
            switch event {
            case .configFile(let path): reader.read(file: paths.absolute(path))
            case .configDirectory(let path): reader.read(directory: paths.absolute(path))
            case .value(let index, let text, let spelling):
                reader.raw.add(argument: text, spelling: spelling, for: options[index])
            case .help, .version: break
            }
        }
        return .run(try resolve(reader, arguments))
    }

    /// Files on the command line replace the default files, directories the default directories.
    private func readDefaults(_ events: [ArgumentScanner.Event], _ reader: inout ConfigReader) {
        guard usesDefaultFiles else { return }
        if !events.contains(where: { if case .configFile = $0 { true } else { false } }) {
            for path in paths.defaultFiles() { reader.read(file: path) }
        }
        if !events.contains(where: { if case .configDirectory = $0 { true } else { false } }) {
            for path in paths.defaultDirectories() { reader.read(directory: path) }
        }
    }

    private func resolve(
        _ reader: ConfigReader,
        _ arguments: [String]
    ) throws(ConfigurationError) -> Configuration {
        let byName = Dictionary(options.map { ($0.key, $0) }) { first, _ in first }
        var resolver = Resolver(raw: reader.raw, options: byName)
        var entries: [Configuration.Entry] = []
        var warnings: [String] = []
        for option in options {
            guard let value = resolver.value(of: option) else { continue }
            let winners = reader.raw.winners(for: option)
            entries.append(Configuration.Entry(option: option, value: value, origin: winners.last?.origin))
            warnings += Self.warnings(option, winners)
        }
        let problems = reader.allProblems + unknownNames(reader.raw) + resolver.problems
        guard problems.isEmpty else { throw ConfigurationError(program: program, problems: problems) }
        return Configuration(
            entries: entries,
            warnings: warnings,
            configFiles: reader.files,
            configDirectories: reader.directories,
            arguments: arguments
        )
    }

    /// The first two sentences are oslo.config's, because operators' log filters know them.
    private static func warnings(_ option: Option, _ winners: [RawValue]) -> [String] {
        guard !winners.isEmpty else { return [] }
        let shown = "Option \"\(option.name)\" from group \"\(option.group)\""
        var warnings: [String] = []
        var seen: Set<Option.Name> = [option.key]
        for old in winners.map(\.name) where seen.insert(old.normalized).inserted {
            warnings.append(
                "Option \"\(old.name)\" from group \"\(old.group)\" is deprecated. "
                    + "Use option \"\(option.name)\" from group \"\(option.group)\"."
            )
        }
        if case .none(let reason) = option.effect {
            warnings.append("\(shown) has no effect: \(reason)")
        } else if let reason = option.deprecatedForRemoval {
            warnings.append(
                "\(shown) is deprecated for removal (\(reason)).  "
                    + "Its value may be silently ignored in the future."
            )
        }
        return warnings
    }

    private func unknownNames(_ raw: RawValues) -> [ConfigurationError.Problem] {
        ownGroups.sorted().flatMap { group in
            var known = Set(options.filter { $0.group == group }.map(\.name))
            for name in options.flatMap(\.deprecatedNames) where name.group == group { known.insert(name.name) }
            return raw.unknownNames(in: group, known: known).map { name, origin in
                var problem = ConfigurationError.Problem(option: name, message: "")
                if case .file(let path, let line) = origin { (problem.file, problem.line) = (path, line) }
                let nearest = NearestName.to(name.name, among: known.sorted())
                problem.message =
                    "\(origin): unknown option '\(name.name)' in group [\(group)]"
                    + (nearest.map { "; did you mean '\($0)'?" } ?? "")
                return problem
            }
        }
    }
}

/// What a command line asks for.
public enum CommandLineOutcome: Sendable {
    case run(Configuration)
    /// `--help` or `--version`: write `output` to standard output and exit.
    case exit(status: Int32, output: String)
}
