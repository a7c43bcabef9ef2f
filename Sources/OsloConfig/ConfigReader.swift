/// Reads files and directories one after the other and keeps their values and what was wrong with them.
struct ConfigReader {
    var raw: RawValues
    private(set) var files: [String] = []
    private(set) var directories: [String] = []
    private var missing: [String] = []
    private var unopened: [(path: String, failure: TextFile.Failure)] = []
    private var problems: [ConfigurationError.Problem] = []

    init(raw: RawValues) {
        self.raw = raw
    }

    mutating func read(file path: String) {
        let bytes: [UInt8]
        do throws(TextFile.Failure) {
            bytes = try TextFile.read(path)
        } catch .notFound {
            return missing.append(path)
        } catch {
            return unopened.append((path, error))
        }
        files.append(path)
        let document = INIDocument(bytes: bytes)
        raw.add(document, path: path)
        for fault in document.faults {
            let excerpt = fault.excerpt.isEmpty ? "" : ": '\(fault.excerpt)'"
            problems.append(
                ConfigurationError.Problem(
                    file: path,
                    line: fault.line,
                    message: "Failed to parse \(path): at \(path):\(fault.line), \(fault.reason)\(excerpt)"
                )
            )
        }
    }

    mutating func read(directory path: String) {
        do throws(TextFile.Failure) {
            let paths = try TextFile.configFiles(in: path)
            directories.append(path)
            for path in paths { read(file: path) }
        } catch {
            let reason = error == .notFound ? "" : " (\(error.description))"
            problems.append(
                ConfigurationError.Problem(
                    file: path,
                    message: "Failed to read config file directory: \(path)\(reason)"
                )
            )
        }
    }

    /// Files that could not be read share one sentence, as in oslo.config.
    var allProblems: [ConfigurationError.Problem] {
        var all: [ConfigurationError.Problem] = []
        if !missing.isEmpty {
            let list = missing.joined(separator: ",")
            all.append(.init(file: missing.first, message: "Failed to find some config files: \(list)"))
        }
        if !unopened.isEmpty {
            let list = unopened.map { "\($0.path) (\($0.failure.description))" }.joined(separator: ",")
            all.append(.init(file: unopened.first?.path, message: "Failed to open some config files: \(list)"))
        }
        return all + problems
    }
}
