extension ConfigReader {
    /// The lines that both `defaults` and the sections behind it may have.
    mutating func readProxySetting(
        _ keyword: String,
        _ arguments: ArraySlice<String>,
        in section: String,
        _ settings: inout ProxySettings
    ) throws(Fault) {
        switch keyword {
        case "mode":
            switch try value(keyword, arguments, "'http'") {
            case "http": settings.mode = .http
            case "tcp": settings.mode = .tcp
            case let other:
                throw Fault(.badArgument, "unknown proxy mode \(quoted(other)); metadata needs 'mode http'.")
            }
        case "log":
            if arguments.first == "global" {
                try expect("log global", arguments, atMost: 1)
                settings.usesGlobalLogs = true
            } else if let log = try readLog(arguments) {
                settings.logs.append(log)
            }
        case "log-tag": settings.logTag = try logTag(keyword, arguments)
        case "maxconn":
            let count = try value(keyword, arguments, "a whole number")
            let number = try ConfigNumber.read(count, keyword, in: 0...Int(Int32.max))
            settings.connectionsMax = number > 0 ? number : nil
        case "retries":
            let count = try value(keyword, arguments, "a whole number")
            settings.retries = try ConfigNumber.read(count, keyword, in: 0...Int(Int32.max))
        case "timeout": try readTimeout(arguments, &settings.timeouts)
        case "option": try readOption(arguments, isOn: true, &settings)
        case "no", "default":
            switch arguments.first {
            case "option": try readOption(arguments.dropFirst(), isOn: false, &settings)
            case "log" where keyword == "no":
                settings.usesGlobalLogs = false
                settings.logs = []
            default:
                throw Fault(.badArgument, "'\(keyword)' can be written before 'option' and 'log' only.")
            }
        case _ where KnownKeywords.ignoredInProxy.contains(keyword):
            note("'\(keyword)' is ignored.")
        case _ where KnownKeywords.unsupportedInProxy.contains(keyword):
            throw Fault(
                .unsupported,
                "'\(keyword)' is not implemented here, and leaving it out could change an answer; take the line out, or "
                    + "use haproxy itself."
            )
        case "bind", "server", "default_backend", "http-request", "stick-table":
            throw Fault(.badArgument, "'\(keyword)' is not allowed in '\(section)' section.")
        default:
            throw Fault(.unknownKeyword, "unknown keyword \(quoted(keyword)) in '\(section)' section.")
        }
    }

    /// The lines of `listen`, `frontend` and `backend`.
    mutating func readProxyLine(
        _ keyword: String,
        _ arguments: ArraySlice<String>,
        _ proxy: inout ProxySection
    ) throws(Fault) {
        let isAllowed =
            switch keyword {
            case "bind", "default_backend": proxy.kind != .backend
            case "server": proxy.kind != .frontend
            default: true
            }
        guard isAllowed else {
            throw Fault(.badArgument, "'\(keyword)' is not allowed in '\(proxy.kind.rawValue)' section.")
        }
        switch keyword {
        case "bind":
            var ignored: [String] = []
            let binds = try HaproxyBind.read(arguments) { ignored.append($0) }
            for parameter in ignored { note("'\(parameter)' is ignored.") }
            for bind in binds {
                if proxy.binds.contains(bind) {
                    note("'bind \(bind)' is written twice; once is enough.")
                } else if proxy.binds.count == Self.bindsMax {
                    throw Fault(.badArgument, "more than \(Self.bindsMax) addresses to listen on.")
                } else {
                    proxy.binds.append(bind)
                }
            }
        case "server": proxy.servers.append(try readServer(arguments))
        case "default_backend": proxy.defaultBackend = try value(keyword, arguments, "the name of a backend")
        case "http-request": try readHTTPRequest(arguments, &proxy)
        case "stick-table":
            guard proxy.table == nil else {
                throw Fault(.badArgument, "a second 'stick-table' in \(proxy.title); each needs a backend of its own.")
            }
            proxy.table = try readTable(arguments)
        default:
            try readProxySetting(keyword, arguments, in: proxy.kind.rawValue, &proxy.settings)
        }
    }

    /// As many as can be handed to the agent in one message; the agents write two.
    private static let bindsMax = 8

    private mutating func readTimeout(
        _ arguments: ArraySlice<String>,
        _ timeouts: inout HaproxyTimeouts
    ) throws(Fault) {
        guard let name = arguments.first else {
            throw Fault(.badArgument, "'timeout' expects a name and a time, for example 'timeout client 32s'.")
        }
        let field: WritableKeyPath<HaproxyTimeouts, Int?>?
        switch name {
        case "http-request": field = \.httpRequest
        case "connect": field = \.connect
        case "client": field = \.client
        case "server": field = \.server
        case "http-keep-alive": field = \.httpKeepAlive
        default:
            guard KnownKeywords.ignoredTimeouts.contains(name) else {
                throw Fault(
                    .unknownKeyword,
                    "'timeout' supports 'http-request', 'connect', 'client', 'server' and 'http-keep-alive' "
                        + "(got \(quoted(name)))."
                )
            }
            field = nil
        }
        let keyword = "timeout \(name)"
        let time = try value(keyword, arguments.dropFirst(), "a time such as 30s (or a number of milliseconds)")
        let milliseconds = try ConfigNumber.milliseconds(time, keyword)
        if let field {
            timeouts[keyPath: field] = milliseconds > 0 ? milliseconds : nil
        } else {
            note("'\(keyword)' is ignored.")
        }
    }

    private mutating func readOption(
        _ arguments: ArraySlice<String>,
        isOn: Bool,
        _ settings: inout ProxySettings
    ) throws(Fault) {
        guard let name = arguments.first, !name.isEmpty else {
            throw Fault(.badArgument, "'option' expects an option name.")
        }
        switch name {
        case "httplog":
            guard isOn else {
                throw Fault(.badArgument, "negation is not supported for option 'httplog'.")
            }
            if arguments.dropFirst().first == "clf" { note("'option httplog clf' is written like 'option httplog'.") }
            try expect("option httplog", arguments.dropFirst(), atMost: arguments.dropFirst().first == "clf" ? 1 : 0)
            settings.logsRequests = true
        case "dontlognull":
            try expect("option dontlognull", arguments, atMost: 1)
            settings.omitsSilentConnections = isOn
        case "http-server-close":
            // What this program does towards guests anyway: their connections stay, requests are relayed one by one.
            try expect("option http-server-close", arguments, atMost: 1)
        case "forwardfor":
            // The agent cannot tell who asks without the header, so it is sent whether or not the option is there; an
            // argument would put the address elsewhere.
            if let word = arguments.dropFirst().first, isOn {
                throw Fault(
                    .unsupported,
                    "'option forwardfor \(word)' is not implemented here: the agent reads the guest's address in "
                        + "X-Forwarded-For only."
                )
            }
            if !isOn { note("'no option forwardfor' is ignored; the agent needs the guest's address.") }
        case _ where KnownKeywords.isIgnoredOption(name):
            note("'option \(name)' is ignored.")
        case _ where KnownKeywords.unsupportedOptions.contains(name):
            if isOn {
                throw Fault(.unsupported, "'option \(name)' is not implemented here, and would change what is relayed.")
            }
        default:
            throw Fault(.unknownKeyword, "unknown option \(quoted(name)).")
        }
    }

    /// `NAME PATH [parameters]`.
    private mutating func readServer(_ arguments: ArraySlice<String>) throws(Fault) -> ProxySection.Server {
        var rest = arguments
        guard let name = rest.popFirst(), let address = rest.popFirst(), !name.isEmpty, !address.isEmpty else {
            throw Fault(.badArgument, "'server' expects a name and the path of the agent's socket as arguments.")
        }
        let path = address.hasPrefix("unix@") ? String(address.dropFirst(5)) : address
        guard path.hasPrefix("/") else {
            throw Fault(
                .unsupported,
                "'server \(name)' : \(quoted(address)) is no path of a UNIX socket; the metadata agent is reached through "
                    + "one, with an absolute path."
            )
        }
        guard path.utf8.count <= Self.socketPathBytesMax else {
            throw Fault(
                .badArgument,
                "'server \(name)' : socket path \(quoted(path)) too long (max \(Self.socketPathBytesMax) bytes)."
            )
        }
        while let word = rest.popFirst() {
            switch word {
            case "check", "enabled", "no-check", "no-backup": break
            case "downinter", "fall", "fastinter", "id", "inter", "maxconn", "maxqueue", "minconn", "rise", "slowstart",
                "weight":
                guard rest.popFirst() != nil else {
                    throw Fault(.badArgument, "'server \(name)' : '\(word)' expects a value.")
                }
            case "agent-check", "backup", "cookie", "disabled", "namespace", "observe", "proto", "send-proxy",
                "send-proxy-v2", "source", "ssl", "verify":
                throw Fault(.unsupported, "'server \(name)' : '\(word)' is not implemented here.")
            default:
                throw Fault(.unknownKeyword, "'server \(name)' : unknown keyword \(quoted(word)).")
            }
            note("'server … \(word)' is ignored.")
        }
        return ProxySection.Server(path: path, line: line)
    }
}
