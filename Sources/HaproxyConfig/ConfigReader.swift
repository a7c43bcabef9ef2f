/// Reads configuration files line by line into sections; problems and notices are collected on the way.
struct ConfigReader {
    private enum Section {
        case none
        case global
        case defaults(name: String?)
        /// The last of `proxies`.
        case proxy
        /// One that nothing here refers to, or one whose first line was wrong: its lines mean nothing.
        case skipped
    }

    private(set) var problems: [HaproxyProblem] = []
    private(set) var notices: [HaproxyNotice] = []
    var global = GlobalSettings()
    private(set) var proxies: [ProxySection] = []
    private(set) var firstFile = ""

    private var section = Section.none
    private var defaults = ProxySettings()
    private var namedDefaults: [String: ProxySettings] = [:]
    /// Where the line being read stands.
    private(set) var file = ""
    private(set) var line = 0

    /// A file with thousands of ignored lines must not fill the log.
    private static let noticesMax = 100

    mutating func read(_ config: ConfigFile) {
        file = config.path
        line = 0
        if firstFile.isEmpty { firstFile = config.path }
        // Each file begins outside any section.
        section = .none
        var rest = config.bytes[...]
        while !rest.isEmpty, problems.count < HaproxyConfigError.problemsMax {
            line += 1
            let end = rest.firstIndex(of: UInt8(ascii: "\n"))
            let bytes = rest[..<(end ?? rest.endIndex)]
            do throws(Fault) {
                let words = try ConfigWords.split(bytes)
                if let keyword = words.first { try readLine(keyword, words.dropFirst()) }
                // haproxy refuses this as well: the writer may not have finished.
                if end == nil {
                    throw Fault(.syntax, "missing LF on last line, file might have been truncated.")
                }
            } catch {
                report(error)
            }
            rest = end.map { rest[($0 + 1)...] } ?? []
        }
    }

    private mutating func report(_ fault: Fault) {
        problems.append(HaproxyProblem(fault.code, file: file, line: line, fault.message))
    }

    mutating func note(_ message: String) {
        guard notices.count < Self.noticesMax else { return }
        notices.append(HaproxyNotice(file: file, line: line, message: message))
    }

    private mutating func readLine(_ keyword: String, _ arguments: ArraySlice<String>) throws(Fault) {
        if try readSection(keyword, arguments) { return }
        if keyword.hasPrefix(".") {
            throw Fault(
                .unsupported,
                "the directive \(quoted(keyword)) is not implemented here; write what it leads to."
            )
        }
        switch section {
        case .none:
            throw Fault(
                .unknownKeyword,
                "unknown keyword \(quoted(keyword)) out of section; a section starts with "
                    + "'global', 'defaults', 'listen', 'frontend' or 'backend'."
            )
        case .skipped: return
        case .global: try readGlobal(keyword, arguments)
        case .defaults(let name):
            var settings = defaults
            try readProxySetting(keyword, arguments, in: "defaults", &settings)
            defaults = settings
            if let name { namedDefaults[name] = settings }
        case .proxy:
            guard var proxy = proxies.popLast() else { return }
            // Put back before the error goes on: what the section said so far still counts for further lines.
            do throws(Fault) {
                try readProxyLine(keyword, arguments, &proxy)
            } catch {
                proxies.append(proxy)
                throw error
            }
            proxies.append(proxy)
        }
    }

    /// True if the line begins a section.
    private mutating func readSection(_ keyword: String, _ arguments: ArraySlice<String>) throws(Fault) -> Bool {
        if KnownKeywords.ignoredSections.contains(keyword) {
            section = .skipped
            note("section '\(keyword)' is ignored.")
            return true
        }
        switch keyword {
        case "global":
            section = .global
            try expect(keyword, arguments, atMost: 0)
        case "defaults":
            section = .skipped
            let (name, base) = try sectionName(keyword, arguments, isNameRequired: false)
            defaults = base ?? ProxySettings()
            if let name { namedDefaults[name] = defaults }
            section = .defaults(name: name)
        case "listen", "frontend", "backend":
            section = .skipped
            guard let kind = ProxySection.Kind(rawValue: keyword) else { return false }
            let (name, base) = try sectionName(keyword, arguments, isNameRequired: true)
            guard let name else { return true }
            // A table is found by the name of its section, a server by that of its backend.
            if let twin = proxies.first(where: { $0.name == name && ($0.kind == .frontend) == (kind == .frontend) }) {
                throw Fault(
                    .badArgument,
                    "\(keyword) \(quoted(name)) has the same name as \(twin.title) declared at \(twin.file):\(twin.line)."
                )
            }
            proxies.append(ProxySection(kind: kind, name: name, file: file, line: line, settings: base ?? defaults))
            section = .proxy
        default:
            return false
        }
        return true
    }

    /// `NAME [from DEFAULTS]`.
    private func sectionName(
        _ keyword: String,
        _ arguments: ArraySlice<String>,
        isNameRequired: Bool
    ) throws(Fault) -> (String?, ProxySettings?) {
        var rest = arguments
        let name = rest.first == "from" && !isNameRequired ? nil : rest.popFirst()
        guard name?.isEmpty == false || name == nil && !isNameRequired else {
            throw Fault(.badArgument, "'\(keyword)' expects a name.")
        }
        if let name, let stray = name.unicodeScalars.first(where: { !Self.isNameScalar($0) }) {
            throw Fault(
                .badArgument,
                "character \(quoted(String(stray))) is not permitted in '\(keyword)' name \(quoted(name)); use letters, "
                    + "digits, '-', '_', '.' and ':'."
            )
        }
        guard let word = rest.popFirst() else { return (name, nil) }
        guard word == "from" else {
            throw Fault(
                .badArgument,
                "'\(keyword)' cannot handle unexpected argument \(quoted(word)); use 'bind' for listening addresses."
            )
        }
        guard let base = rest.popFirst(), let settings = namedDefaults[base] else {
            throw Fault(.badArgument, "'\(keyword) … from' expects the name of a 'defaults' section above.")
        }
        try expect(keyword, rest, atMost: 0)
        return (name, settings)
    }

    private static func isNameScalar(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", "-", "_", ".", ":": true
        default: false
        }
    }

    /// Refuses words that nobody would read.
    func expect(_ keyword: String, _ arguments: ArraySlice<String>, atMost count: Int) throws(Fault) {
        if let word = arguments.dropFirst(count).first {
            throw Fault(.badArgument, "'\(keyword)' cannot handle unexpected argument \(quoted(word)).")
        }
    }

    /// The one value that a keyword takes.
    func value(_ keyword: String, _ arguments: ArraySlice<String>, _ meaning: String) throws(Fault) -> String {
        guard let value = arguments.first, !value.isEmpty else {
            throw Fault(.badArgument, "'\(keyword)' expects \(meaning) as an argument.")
        }
        try expect(keyword, arguments, atMost: 1)
        return value
    }
}
