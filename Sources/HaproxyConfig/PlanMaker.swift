import MetadataModel

extension HaproxyPlan {
    /// Reads the files that a command line names and makes a plan of them.
    public init(_ commandLine: HaproxyCommandLine) throws(HaproxyConfigError) {
        var files: [ConfigFile] = []
        var problems: [HaproxyProblem] = []
        for path in commandLine.configPaths {
            do throws(HaproxyProblem) {
                files += try ConfigFile.load(commandLine.resolve(path))
            } catch {
                problems.append(error)
            }
        }
        guard problems.isEmpty else { throw HaproxyConfigError(problems: problems) }
        try self.init(files, commandLine)
    }

    /// Makes a plan of one file's contents, as if it were the only one on an otherwise empty command line.
    public init(text: String, file: String) throws(HaproxyConfigError) {
        try self.init([ConfigFile(path: file, bytes: Array(text.utf8))], HaproxyCommandLine())
    }

    init(_ files: [ConfigFile], _ commandLine: HaproxyCommandLine) throws(HaproxyConfigError) {
        var reader = ConfigReader()
        for file in files { reader.read(file) }
        guard reader.problems.isEmpty else { throw HaproxyConfigError(problems: reader.problems) }
        do throws(HaproxyProblem) {
            try self.init(PlanMaker(reader), commandLine)
        } catch {
            throw HaproxyConfigError(problems: [error])
        }
    }

    private init(_ maker: PlanMaker, _ commandLine: HaproxyCommandLine) throws(HaproxyProblem) {
        let global = maker.reader.global
        let settings = maker.entry.settings
        let identity = try maker.identity()
        scope = identity.scope
        headerFamily = identity.family
        binds = maker.entry.binds
        socketPath = try maker.socketPath()
        user = global.user
        group = global.group
        pidFile = (commandLine.pidFile ?? global.pidFile).map(commandLine.resolve)
        isDaemon = (commandLine.isDaemon || global.isDaemon) && !commandLine.isForeground
        connectionsMax = [commandLine.connectionsMax ?? global.connectionsMax, settings.connectionsMax]
            .compactMap { $0 }.min()
        timeouts = maker.timeouts()
        connectRetries = maker.server.settings.retries ?? 3
        logs = (settings.usesGlobalLogs ? global.logs : []) + settings.logs
        logTag = settings.logTag ?? global.logTag ?? "haproxy"
        logsRequests = settings.logsRequests
        omitsSilentConnections = settings.omitsSilentConnections
        rateLimit = try maker.rateLimit()
        notices = maker.reader.notices + maker.unusedSections()
    }
}

extension HaproxyCommandLine {
    /// A path as seen from `-C`.
    func resolve(_ path: String) -> String {
        guard let directory, !directory.isEmpty, !path.hasPrefix("/") else { return path }
        return directory.hasSuffix("/") ? directory + path : directory + "/" + path
    }
}

/// Finds in the sections what makes a metadata proxy, and says what is missing or too much.
private struct PlanMaker {
    let reader: ConfigReader
    /// The section with `bind` lines.
    let entry: ProxySection
    /// The section with the `server` line: the same, or the backend that a frontend names.
    let server: ProxySection
    private var chain: [ProxySection]

    init(_ reader: ConfigReader) throws(HaproxyProblem) {
        self.reader = reader
        let entries = reader.proxies.filter { !$0.binds.isEmpty }
        guard let entry = entries.first else {
            throw HaproxyProblem(
                .incomplete,
                file: reader.firstFile,
                line: nil,
                "no section with a 'bind' line, so there is nothing to listen on."
            )
        }
        if let second = entries.dropFirst().first {
            throw Self.incomplete(
                second,
                line: nil,
                "\(second.title) listens as well as \(entry.title); a metadata proxy serves one network or router."
            )
        }
        guard entry.settings.mode == .http else {
            throw Self.incomplete(entry, line: nil, "\(entry.title) has no 'mode http', in itself or in 'defaults'.")
        }
        self.entry = entry
        server = try Self.backend(of: entry, in: reader)
        chain = server.name == entry.name && server.kind == entry.kind ? [entry] : [entry, server]
    }

    private static func backend(of entry: ProxySection, in reader: ConfigReader) throws(HaproxyProblem) -> ProxySection
    {
        guard let name = entry.defaultBackend else { return entry }
        guard entry.servers.isEmpty else {
            throw incomplete(entry, line: nil, "\(entry.title) has both a 'server' and a 'default_backend'; take one.")
        }
        guard let backend = reader.proxies.first(where: { $0.name == name && $0.kind != .frontend }) else {
            throw incomplete(entry, line: nil, "unable to find the default_backend \(quoted(name)) of \(entry.title).")
        }
        return backend
    }

    func identity() throws(HaproxyProblem) -> ProxySection.Identity {
        let found = chain.flatMap { section in section.identities.map { (section, $0) } }
        guard let first = found.first else {
            throw Self.incomplete(
                entry,
                line: nil,
                "\(entry.title) sets no X-Neutron-Network-ID, X-Neutron-Router-ID or X-OVN-Network-ID, so nobody knows "
                    + "whose guests it serves."
            )
        }
        if let second = found.dropFirst().first {
            throw Self.incomplete(
                second.0,
                line: second.1.line,
                "\(second.1.scope) is the second network or router, line \(first.1.line) has \(first.1.scope); a proxy "
                    + "serves one."
            )
        }
        return first.1
    }

    func socketPath() throws(HaproxyProblem) -> String {
        guard let first = server.servers.first else {
            throw Self.incomplete(
                entry,
                line: nil,
                "\(server.title) has no 'server' line with the agent's UNIX socket."
            )
        }
        if let second = server.servers.dropFirst().first {
            throw Self.incomplete(
                server,
                line: second.line,
                "a second 'server' in \(server.title); there is one metadata agent on a host."
            )
        }
        return first.path
    }

    /// haproxy takes waits for the guest from the listening section, waits for the agent from the server's.
    func timeouts() -> HaproxyTimeouts {
        var timeouts = entry.settings.timeouts
        timeouts.connect = server.settings.timeouts.connect
        timeouts.server = server.settings.timeouts.server
        timeouts.httpRequest = timeouts.httpRequest ?? timeouts.client
        timeouts.httpKeepAlive = timeouts.httpKeepAlive ?? timeouts.httpRequest
        return timeouts
    }

    func rateLimit() throws(HaproxyProblem) -> HaproxyRateLimit? {
        var windows: [HaproxyRateLimit.Window] = []
        var families: Set<HaproxyRateLimit.AddressFamily> = []
        for section in chain {
            for track in section.tracks { _ = try table(track.table, section, line: track.line) }
            for denial in section.denials {
                let table = try table(denial.table, section, line: denial.line)
                guard let period = table.rateMilliseconds else {
                    throw Self.incomplete(
                        section,
                        line: denial.line,
                        "the stick-table of \(quoted(denial.table)) does not store 'http_req_rate', so nothing is counted."
                    )
                }
                guard section.tracks.prefix(denial.tracksBefore).contains(where: { $0.table == denial.table }) else {
                    throw Self.incomplete(
                        section,
                        line: denial.line,
                        "no 'http-request track-sc0 src table \(denial.table)' before this line, so nothing is counted yet."
                    )
                }
                families.insert(table.family)
                windows.append(
                    HaproxyRateLimit.Window(
                        milliseconds: period,
                        requestsMax: denial.requestsMax,
                        entriesMax: table.entriesMax,
                        expiryMilliseconds: table.expiryMilliseconds
                    )
                )
                guard windows.count <= Self.windowsMax, families.count == 1 else {
                    throw Self.incomplete(
                        section,
                        line: denial.line,
                        "at most \(Self.windowsMax) limits, all with tables of one type, are implemented here."
                    )
                }
            }
        }
        guard let family = families.first else { return nil }
        return HaproxyRateLimit(addressFamily: family, windows: windows)
    }

    /// As many as haproxy can track at once.
    private static let windowsMax = 3

    private func table(_ name: String, _ section: ProxySection, line: Int) throws(HaproxyProblem) -> ProxySection.Table
    {
        for proxy in reader.proxies where proxy.name == name {
            if let table = proxy.table { return table }
        }
        throw Self.incomplete(section, line: line, "unable to find a stick-table named \(quoted(name)).")
    }

    func unusedSections() -> [HaproxyNotice] {
        reader.proxies.filter { $0.binds.isEmpty && $0.table == nil && $0.name != server.name }.map {
            HaproxyNotice(file: $0.file, line: $0.line, message: "\($0.title) is not used.")
        }
    }

    private static func incomplete(_ section: ProxySection, line: Int?, _ message: String) -> HaproxyProblem {
        HaproxyProblem(.incomplete, file: section.file, line: line ?? section.line, message)
    }
}
