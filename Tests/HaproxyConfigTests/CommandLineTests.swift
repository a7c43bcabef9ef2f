import Glibc
import HaproxyConfig
import MetadataModel
import Testing

/// A directory of its own, removed at the end.
private func withDirectory(_ body: (String) throws -> Void) throws {
    var template = Array("/tmp/haproxy-config-XXXXXX".utf8CString)
    let path = try #require(mkdtemp(&template).map { String(cString: $0) })
    defer {
        for name in ["b.cfg", "a.cfg", ".c.cfg", "d.conf", "sub.cfg"] {
            unlink("\(path)/\(name)")
            rmdir("\(path)/\(name)")
        }
        rmdir(path)
    }
    try body(path)
}

private func write(_ text: String, _ path: String) throws {
    let file = try #require(fopen(path, "w"))
    fputs(text, file)
    fclose(file)
}

@Suite struct CommandLineTests {
    /// As Neutron starts it (spec H3).
    @Test func theAgentsWay() throws {
        let line = try HaproxyCommandLine(["-f", "/var/lib/neutron/ns-metadata-proxy/id.conf"])
        #expect(line.action == .serve)
        #expect(line.configPaths == ["/var/lib/neutron/ns-metadata-proxy/id.conf"])
        #expect(!line.isDaemon && !line.isForeground && !line.isQuiet && line.pidFile == nil)
    }

    @Test func allThatMatters() throws {
        let line = try HaproxyCommandLine(
            [
                "-f", "a", "-D", "-p", "/p", "-f", "b", "-q", "-V", "-n", "50", "-C", "/d", "-sf", "1", "2", "-dr",
                "-L", "x", "--", "c", "-d",
            ]
        )
        #expect(line.configPaths == ["a", "b", "c", "-d"])
        #expect(line.pidFile == "/p")
        #expect(line.isDaemon && line.isQuiet && line.isVerbose && !line.isForeground)
        #expect(line.connectionsMax == 50)
        #expect(line.directory == "/d")
        #expect(line.replacedProcesses == [1, 2])
        #expect(line.ignoredOptions == ["-dr", "-L"])
    }

    /// Only the first letters count, as with haproxy 2.6.
    @Test(arguments: [
        (["-cq", "-f", "a"], "check a"), (["-conf", "-f", "a"], "check a"), (["-foo", "a"], "serve a"),
        (["-fa", "b"], "serve b"), (["-Dq", "-f", "a"], "serve a daemon"), (["-qqq", "-f", "a"], "serve a quiet"),
        (["-db", "-f", "a"], "serve a foreground"), (["-d", "-f", "a"], "serve a foreground"),
        (["-dZ", "-f", "a"], "serve a foreground"), (["-Ws", "-f", "a"], "serve a foreground"),
        (["-D", "-db", "-f", "a"], "serve a daemon foreground"), (["-de", "-dM0x50", "-f", "a"], "serve a"),
        (["-f", "a", "-st"], "serve a"), (["-f", "a", "-sf", "1\n2\n", "-c"], "check a"),
        (["-c", "--", "a", "b"], "check a b"),
        (["--foo", "a"], "serve a"), (["-f", "-"], "serve -"), (["-f", "a", "-p", ""], "serve a"),
        (["-n", "0", "-f", "a"], "serve a"),
        (["-v"], "version"), (["-vv", "junk"], "version+"), (["-f", "a", "-v", "junk"], "version a"),
    ])
    func forms(_ arguments: [String], _ expected: String) throws {
        let line = try HaproxyCommandLine(arguments)
        var words: [String]
        switch line.action {
        case .serve: words = ["serve"]
        case .check: words = ["check"]
        case .printVersion(let details): words = [details ? "version+" : "version"]
        }
        words += line.configPaths
        if line.isDaemon { words.append("daemon") }
        if line.isForeground { words.append("foreground") }
        if line.isQuiet { words.append("quiet") }
        #expect(words.joined(separator: " ") == expected)
        #expect(line.pidFile == nil)
    }

    @Test(arguments: [
        ([], "no configuration file"), (["-c"], "no configuration file"), (["-z"], "unknown option '-z'"),
        (["-"], "unexpected argument '-'"), ([""], "unexpected argument ''"), (["a"], "unexpected argument 'a'"),
        (["-f"], "'-f' expects a value"), (["-c", "-p"], "'-p' expects a value"),
        (["-f", "a", "b"], "unexpected argument 'b'"),
        (["-n", "-f", "a"], "got '-f'"), (["-f", "a", "-sf", "x"], "got 'x'"), (["-f", "a", "-sf", "0"], "got '0'"),
        (["-f", "a", "-st", "99999999999"], "got '99999999999'"), (["-f", "a", "-sd"], "unknown option '-sd'"),
        (["-cc", "true"], "'-cc'"), (["-h"], "unknown option '-h'"), (["-f", "a", "-é"], "unknown option '-é'"),
    ])
    func mistakes(_ arguments: [String], _ part: String) throws {
        let error = try #require(throws: HaproxyUsageError.self) { _ = try HaproxyCommandLine(arguments) }
        #expect(error.message.contains(part), "\(error.message)")
        #expect(error.description.contains("\nUsage : haproxy "))
        #expect(HaproxyUsageError.exitStatus == 1)
    }

    @Test func commandLineWinsOverTheFile() throws {
        try withDirectory { directory in
            try write(try configuration("pike-l3.conf"), "\(directory)/d.conf")
            let plain = try HaproxyPlan(HaproxyCommandLine(["-f", "\(directory)/d.conf"]))
            #expect(plain.isDaemon)
            #expect(plain.connectionsMax == 1_024)
            let plan = try HaproxyPlan(
                HaproxyCommandLine(["-db", "-p", "run.pid", "-n", "7", "-C", directory, "-f", "d.conf"])
            )
            #expect(!plan.isDaemon)
            #expect(plan.pidFile == "\(directory)/run.pid")
            #expect(plan.connectionsMax == 7)
            #expect(plan.scope == plain.scope)
        }
    }

    /// Of a directory, the files named `*.cfg` are read in the order of their names; hidden ones are not.
    @Test func directories() throws {
        try withDirectory { directory in
            try write("defaults\n mode http\n maxconn 5\nlisten l\n bind :80\n server a /a\n", "\(directory)/a.cfg")
            try write("listen l2\n http-request set-header X-OVN-Network-ID n\n server a /a\n", "\(directory)/b.cfg")
            try write("nonsense\n", "\(directory)/.c.cfg")
            try write("nonsense\n", "\(directory)/d.conf")
            mkdir("\(directory)/sub.cfg", 0o700)
            let error = try #require(throws: HaproxyConfigError.self) {
                _ = try HaproxyPlan(HaproxyCommandLine(["-f", directory]))
            }
            // Both were read, and nothing else: what is missing is the id in the listening section.
            #expect(error.problems.map(\.code) == [.incomplete])
            #expect(error.problems.first?.file == "\(directory)/a.cfg")
            #expect(error.problems.first?.line == 4)

            try write(
                "listen l\n bind :80\n server a /a\n http-request set-header X-OVN-Network-ID n\n",
                "\(directory)/b.cfg"
            )
            try write("defaults\n mode http\n maxconn 5\n", "\(directory)/a.cfg")
            let plan = try HaproxyPlan(HaproxyCommandLine(["-f", directory + "/"]))
            #expect(plan.connectionsMax == 5)
        }
    }

    @Test func filesThatCannotBeRead() throws {
        for path in ["/nonexistent/x.conf", "", "/tmp/\0x"] {
            let error = try #require(throws: HaproxyConfigError.self) {
                _ = try HaproxyPlan(HaproxyCommandLine(["-f", path, "-f", "/nonexistent/y"]))
            }
            #expect(error.problems.map(\.code) == [.unreadable, .unreadable])
            #expect(error.description.contains("Cannot open configuration file/directory"))
        }
        let endless = try #require(throws: HaproxyConfigError.self) {
            _ = try HaproxyPlan(HaproxyCommandLine(["-f", "/dev/zero"]))
        }
        #expect(endless.problems.first?.message.contains("larger than 4 MiB") == true)
    }
}
