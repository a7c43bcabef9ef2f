extension ConfigReader {
    mutating func readGlobal(_ keyword: String, _ arguments: ArraySlice<String>) throws(Fault) {
        switch keyword {
        case "log":
            guard arguments.first != "global" else {
                throw Fault(
                    .badArgument,
                    "'log global' is for other sections; here 'log' expects a path and a facility."
                )
            }
            if let log = try readLog(arguments) { global.logs.append(log) }
        case "log-tag": global.logTag = try logTag(keyword, arguments)
        case "user": global.user = try value(keyword, arguments, "the name of a user")
        case "group": global.group = try value(keyword, arguments, "the name of a group")
        case "uid", "gid":
            let number = try value(keyword, arguments, "a number")
            // The largest one means "leave as it is" to the kernel.
            _ = try ConfigNumber.read(number, keyword, in: 0...Int(UInt32.max - 1))
            if keyword == "uid" { global.user = number } else { global.group = number }
        case "maxconn":
            let count = try ConfigNumber.read(
                value(keyword, arguments, "a whole number"),
                keyword,
                in: 0...Int(Int32.max)
            )
            if global.connectionsMax != nil {
                note("'maxconn' already specified; the first one stays.")
            } else if count > 0 {
                global.connectionsMax = count
            }
        case "pidfile":
            let path = try value(keyword, arguments, "a file name")
            if global.pidFile != nil {
                note("'pidfile' already specified; the first one stays.")
            } else {
                global.pidFile = path
            }
        case "daemon":
            try expect(keyword, arguments, atMost: 0)
            global.isDaemon = true
        case "no", "default":
            // haproxy allows these for switches, none of which has a meaning here.
            guard let name = arguments.first, KnownKeywords.isIgnoredGlobal(name) else {
                throw Fault(
                    .badArgument,
                    "'\(keyword)' cannot be written before \(quoted(arguments.first ?? "")) here."
                )
            }
            note("'\(keyword) \(name)' is ignored.")
        case _ where KnownKeywords.isIgnoredGlobal(keyword):
            note("'\(keyword)' is ignored.")
        case _ where KnownKeywords.unsupportedGlobal.contains(keyword):
            throw Fault(.unsupported, "'\(keyword)' is not implemented here; take the line out, or use haproxy itself.")
        default:
            throw Fault(.unknownKeyword, "unknown keyword \(quoted(keyword)) in 'global' section.")
        }
    }

    /// `PATH [len N] [format F] [sample …] [profile P] FACILITY [LEVEL [MINLEVEL]]`. Nil, with a notice, for a target
    /// that is not a UNIX socket: this program writes to the host's own log.
    mutating func readLog(_ arguments: ArraySlice<String>) throws(Fault) -> HaproxyLog? {
        var rest = arguments
        guard let target = rest.popFirst() else {
            throw Fault(.badArgument, "'log' expects a path and a facility as arguments, for example /dev/log local0.")
        }
        while let word = rest.first, ["len", "format", "sample", "profile"].contains(word) {
            guard rest.count >= 2 else { throw Fault(.badArgument, "'log … \(word)' expects a value.") }
            rest.removeFirst(2)
            note("'log … \(word)' is ignored.")
        }
        guard let facilityName = rest.popFirst() else {
            throw Fault(.badArgument, "'log' expects a facility, for example local0.")
        }
        guard let facility = Self.facilities.firstIndex(of: facilityName) else {
            throw Fault(.badArgument, "'log' : unknown log facility \(quoted(facilityName)).")
        }
        let level = try readLevel(rest.popFirst()) ?? 7
        // The second one makes important lines look less so; nothing here is more important than a warning.
        if try readLevel(rest.popFirst()) != nil { note("the second level of 'log' is ignored.") }
        try expect("log", rest, atMost: 0)

        let path = target.hasPrefix("unix@") ? String(target.dropFirst(5)) : target
        guard path.hasPrefix("/") else {
            let addressMarks: Set<Character> = [":", "@"]
            guard target.contains(where: addressMarks.contains) || target == "stdout" || target == "stderr" else {
                throw Fault(.badArgument, "'log' : invalid address \(quoted(target)); a path starts with '/'.")
            }
            note("'log' to \(quoted(target)) is ignored; log lines go to UNIX sockets only.")
            return nil
        }
        guard path.utf8.count <= Self.socketPathBytesMax else {
            throw Fault(.badArgument, "'log' : socket path \(quoted(path)) too long (max \(Self.socketPathBytesMax)).")
        }
        return HaproxyLog(path: path, facility: facility, level: level)
    }

    func logTag(_ keyword: String, _ arguments: ArraySlice<String>) throws(Fault) -> String {
        let tag = try value(keyword, arguments, "a tag for use in syslog")
        guard tag.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) else {
            throw Fault(
                .badArgument,
                "'\(keyword)' \(quoted(tag)) has control characters, which would end a line of the log."
            )
        }
        return tag
    }

    private func readLevel(_ name: String?) throws(Fault) -> Int? {
        guard let name else { return nil }
        guard let level = Self.levels.firstIndex(of: name) else {
            throw Fault(.badArgument, "'log' : unknown optional log level \(quoted(name)).")
        }
        return level
    }

    /// The longest path of a UNIX socket, in bytes, without the closing NUL.
    static let socketPathBytesMax = 107

    /// In the order of syslog's numbers.
    private static let facilities = [
        "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "auth2", "ftp", "ntp",
        "audit",
        "alert", "cron2", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
    ]
    private static let levels = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"]
}
