import Glibc
import HaproxyConfig
import MetadataModel
import Testing

private let base = """
    global
        log /dev/log local0 info
        user neutron
        maxconn 1024
        daemon
    defaults
        log global
        mode http
        timeout client 32s
    backend limiter
        stick-table type ip size 10k expire 10s store http_req_rate(10s)
    listen listener
        bind 127.0.0.1:9697
        server metadata /run/agent.sock
        http-request track-sc0 src table limiter
        http-request deny deny_status 429 if { src_http_req_rate(limiter) gt 3 }
        http-request set-header X-Neutron-Network-ID lab

    """

/// The base with the first line that contains `old` replaced.
private func edited(_ old: String, _ new: String) -> String {
    var lines = base.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    if let index = lines.firstIndex(where: { $0.contains(old) }) { lines[index] = new }
    return lines.joined(separator: "\n")
}

private func problems(_ text: String) -> [HaproxyProblem] {
    do throws(HaproxyConfigError) {
        _ = try HaproxyPlan(text: text, file: "f.conf")
        return []
    } catch {
        return error.problems
    }
}

@Suite struct PlanTests {
    @Test func baseIsRight() throws {
        #expect(problems(base) == [])
    }

    /// A line of the base, what stands there instead, and the problem's code and part of its sentence.
    @Test(arguments: [
        (
            "maxconn", "maxconn 10 20", HaproxyProblem.Code.badArgument,
            "'maxconn' cannot handle unexpected argument '20'"
        ),
        ("maxconn", "maxconn", .badArgument, "'maxconn' expects"),
        ("maxconn", "maxconn x", .badArgument, "'x'"),
        ("maxconn", "maxconn -5", .badArgument, "'-5'"),
        ("maxconn", "maxconn 99999999999999999999999", .badArgument, "from 0 to 2147483647"),
        ("maxconn", "maxconn \"1024", .syntax, "unmatched quote at position 9"),
        ("maxconn", "maxconn '1024", .syntax, "unmatched quote at position 9"),
        ("maxconn", "maxconn 1\0024", .syntax, "stray NUL character at position 10"),
        ("maxconn", "maxconn \\x4", .syntax, "hexadecimal sequence at position"),
        ("maxconn", "maxconn \\x00", .syntax, "not both 0"),
        ("maxconn", "maxconn \"${N}\"", .unsupported, "environment variable"),
        ("maxconn", ".if defined(X)", .unsupported, "'.if'"),
        ("maxconn", "maxcon 5", .unknownKeyword, "unknown keyword 'maxcon' in 'global' section"),
        ("maxconn", "chroot /var/empty", .unsupported, "'chroot'"),
        ("maxconn", "log-tag a\\nb", .badArgument, "control characters"),
        ("maxconn", "pidfile", .badArgument, "'pidfile' expects a file name"),
        ("maxconn", "uid 4294967295", .badArgument, "'uid'"),
        ("daemon", "daemon now", .badArgument, "'now'"),
        ("user", "user", .badArgument, "'user' expects the name"),
        ("log /dev", "log /dev/log", .badArgument, "expects a facility"),
        ("log /dev", "log /dev/log foo", .badArgument, "unknown log facility 'foo'"),
        ("log /dev", "log /dev/log local0 foo", .badArgument, "unknown optional log level 'foo'"),
        ("log /dev", "log dev/log local0", .badArgument, "invalid address 'dev/log'"),
        ("log /dev", "log global", .badArgument, "'log global'"),
        ("mode", "mode foo", .badArgument, "unknown proxy mode 'foo'"),
        ("mode", "mode tcp", .incomplete, "'mode http'"),
        ("mode", "Mode http", .unknownKeyword, "unknown keyword 'Mode' in 'defaults' section"),
        ("mode", "bind 1.2.3.4:80", .badArgument, "'bind' is not allowed in 'defaults' section"),
        ("mode", "option foo", .unknownKeyword, "unknown option 'foo'"),
        ("mode", "option forwardfor header X-Foo", .unsupported, "X-Forwarded-For only"),
        ("mode", "no mode http", .badArgument, "'no' can be written before"),
        ("timeout", "timeout client", .badArgument, "'timeout client' expects a time"),
        ("timeout", "timeout client 32x", .badArgument, "unexpected 'x'"),
        ("timeout", "timeout client 1.5s", .badArgument, "unexpected '.5s'"),
        ("timeout", "timeout client 1d2h", .badArgument, "unexpected 'd2h'"),
        ("timeout", "timeout client -5s", .badArgument, "'-5s'"),
        ("timeout", "timeout client 25d", .badArgument, "timer overflow in argument '25d'"),
        ("timeout", "timeout client 99999999999999999999s", .badArgument, "timer overflow"),
        ("timeout", "timeout client 32s 3", .badArgument, "unexpected argument '3'"),
        ("timeout", "timeout clitimeout 3", .unknownKeyword, "(got 'clitimeout')"),
        ("bind", "bind", .badArgument, "expects ADDRESS:PORT"),
        ("bind", "bind 127.0.0.1", .badArgument, "missing port specification in '127.0.0.1'"),
        ("bind", "bind 127.0.0.1:", .badArgument, "missing port specification in '127.0.0.1:'"),
        ("bind", "bind 127.0.0.1:0", .badArgument, "invalid port '0'"),
        ("bind", "bind 127.0.0.1:70000", .badArgument, "invalid port '70000'"),
        ("bind", "bind 127.0.0.1:abc", .badArgument, "invalid character 'a' in port number 'abc'"),
        ("bind", "bind 127.0.0.1:80-82", .badArgument, "ranges of ports"),
        ("bind", "bind fe80::a9fe:a9fe", .badArgument, "invalid character 'a' in port number 'a9fe'"),
        ("bind", "bind 999.0.0.1:80", .badArgument, "invalid address: '999.0.0.1'"),
        ("bind", "bind localhost:80", .badArgument, "names are not looked up"),
        ("bind", "bind [::1:80", .badArgument, "invalid address: '[::1'"),
        ("bind", "bind fe80::1%eth0:80", .badArgument, "has a zone"),
        ("bind", "bind ipv4@[::1]:80", .badArgument, "invalid address"),
        ("bind", "bind /run/x.sock", .unsupported, "TCP"),
        ("bind", "bind [::1]:80 interface", .badArgument, "missing interface name"),
        ("bind", "bind [::1]:80 interface averylongdevicename", .badArgument, "no network device"),
        ("bind", "bind [::1]:80 foo", .unknownKeyword, "unknown keyword 'foo'"),
        ("bind", "bind 1.2.3.4:80 ssl crt /x", .unsupported, "'ssl'"),
        ("bind", "bind 1.2.3.4:80,", .badArgument, "missing port specification in ''"),
        ("bind", "timeout server 3s", .incomplete, "nothing to listen on"),
        ("server", "server metadata", .badArgument, "'server' expects"),
        ("server", "server metadata agent.sock", .unsupported, "'agent.sock' is no path"),
        ("server", "server metadata 127.0.0.1:80", .unsupported, "UNIX socket"),
        ("server", "server metadata /\(String(repeating: "a", count: 107))", .badArgument, "too long (max 107 bytes)"),
        ("server", "server metadata /a foo", .unknownKeyword, "'foo'"),
        ("server", "server metadata /a ssl", .unsupported, "'ssl'"),
        ("server", "timeout server 3s", .incomplete, "no 'server' line"),
        ("server", "server a /a\nserver b /b", .incomplete, "a second 'server'"),
        ("listen", "listen", .badArgument, "'listen' expects a name"),
        ("listen", "listen li!", .badArgument, "character '!' is not permitted"),
        ("listen", "listen lis tener", .badArgument, "use 'bind'"),
        ("listen", "listen x from nowhere", .badArgument, "'defaults' section above"),
        ("listen", "Listen listener", .unknownKeyword, "unknown keyword 'Listen' in 'backend' section"),
        ("listen", "frontend listener", .badArgument, "'server' is not allowed in 'frontend' section"),
        ("listen", "listen limiter", .badArgument, "same name as backend 'limiter' declared at f.conf:10"),
        ("set-header", "http-request", .badArgument, "expects an action"),
        ("set-header", "http-request foo", .unsupported, "but got 'foo'"),
        ("set-header", "http-request set-header X-Neutron-Network-ID", .badArgument, "and its value"),
        ("set-header", "http-request set-header X-Neutron-Network-ID a b", .badArgument, "unexpected argument 'b'"),
        ("set-header", "http-request set-header X-Neutron-Network-ID a if TRUE", .badArgument, "'if'"),
        ("set-header", "http-request set-header X-Neutron-Network-ID %[src]", .badArgument, "no id"),
        ("set-header", "http-request set-header X-Neutron-Network-ID 'a b'", .badArgument, "no id"),
        ("set-header", "http-request set-header X-Neutron-Network-ID \"\"", .badArgument, "no id"),
        ("set-header", "http-request set-header X-Foo a", .unsupported, "but got 'X-Foo'"),
        ("set-header", "http-request del-header", .badArgument, "expects the name"),
        ("set-header", "http-request del-header X-Neutron-Network-ID", .incomplete, "nobody knows whose guests"),
        (
            "set-header",
            "http-request set-header X-Neutron-Network-ID a\nhttp-request add-header X-Neutron-Router-ID b",
            .badArgument, "second network or router, line 17 has network a"
        ),
        ("set-header", "acl a src 10.0.0.0/8", .unsupported, "'acl'"),
        ("set-header", "use_backend b if a", .unsupported, "'use_backend'"),
        ("set-header", "monitor-uri /x", .unsupported, "'monitor-uri'"),
        ("stick-table", "stick-table type string size 10k", .unsupported, "type 'string'"),
        ("stick-table", "stick-table size 10k", .badArgument, "missing type"),
        ("stick-table", "stick-table type ip", .badArgument, "missing size"),
        ("stick-table", "stick-table type ip size 10x", .badArgument, "'10x'"),
        ("stick-table", "stick-table type ip size 0", .badArgument, "from 1"),
        ("stick-table", "stick-table type ip size 9999999999999999999g", .badArgument, "from 1"),
        ("stick-table", "stick-table type ip size 10k expire", .badArgument, "missing argument after 'expire'"),
        ("stick-table", "stick-table type ip size 10k store http_req_rate(0s)", .badArgument, "period"),
        ("stick-table", "stick-table type ip size 10k store http_req_rate(", .badArgument, "missing ')'"),
        ("stick-table", "stick-table type ip size 10k store gpc0", .incomplete, "nothing is counted"),
        (
            "track-sc0", "http-request track-sc0 src table nosuch", .incomplete,
            "unable to find a stick-table named 'nosuch'"
        ),
        ("track-sc0", "http-request track-sc9 src table limiter", .unsupported, "'track-sc9'"),
        ("track-sc0", "http-request track-sc0 hdr(host)", .unsupported, "'src table NAME'"),
        ("track-sc0", "http-request del-header X-A", .incomplete, "nothing is counted yet"),
        ("deny_status", "http-request deny deny_status 42 if TRUE", .badArgument, "'42'"),
        ("deny_status", "http-request deny deny_status 503 if TRUE", .unsupported, "answers 503"),
        ("deny_status", "http-request deny if { src_http_req_rate(limiter) gt 3 }", .unsupported, "answers 403"),
        ("deny_status", "http-request deny deny_status 429", .unsupported, "supports the condition"),
        (
            "deny_status", "http-request deny deny_status 429 if { src_http_req_rate(limiter) gt x }", .badArgument,
            "'x'"
        ),
        (
            "deny_status", "http-request deny deny_status 429 if { src_http_req_rate(limiter) lt 3 }", .unsupported,
            "'lt'"
        ),
        (
            "deny_status", "http-request deny deny_status 429 if { src_http_req_rate(nosuch) gt 3 }", .incomplete,
            "'nosuch'"
        ),
        (
            "deny_status", "http-request deny deny_status 429 if { src_http_req_rate( gt 3 }", .badArgument,
            "'src_http_req_rate('"
        ),
    ])
    func wrongLines(_ old: String, _ new: String, _ code: HaproxyProblem.Code, _ part: String) throws {
        let found = problems(edited(old, new))
        let first = try #require(found.first, "accepted: \(new)")
        #expect(first.code == code)
        #expect(first.message.contains(part), "\(first.message)")
        #expect(first.file == "f.conf")
        if code != .incomplete || first.line != nil {
            let number = try #require(first.line)
            // The very line, its second one, or the head of its section.
            #expect((1...18).contains(number))
            #expect(first.description.hasPrefix("config : parsing [f.conf:\(number)] : "))
        }
    }

    @Test func alertsAreHaproxysOwn() throws {
        let error = try #require(throws: HaproxyConfigError.self) {
            _ = try HaproxyPlan(text: edited("maxconn", "maxcon 5"), file: "/x/y.conf")
        }
        #expect(
            error.alerts(processID: 7) == [
                "[ALERT]    (7) : config : parsing [/x/y.conf:4] : unknown keyword 'maxcon' in 'global' section.",
                "[ALERT]    (7) : config : Fatal errors found in configuration.",
            ]
        )
    }

    @Test func everyProblemIsToldUpToABound() {
        #expect(problems("global\na\nb\nlisten l\nc\n").map(\.line) == [2, 3, 5])
        #expect(problems("global\n" + String(repeating: "a\n", count: 1_000)).count == HaproxyConfigError.problemsMax)
    }

    @Test func truncatedFileIsRefused() throws {
        // Cut anywhere behind the line that makes it complete, all but the very end lacks its line break.
        let bytes = Array(base.utf8)
        for count in 0..<bytes.count - 1 {
            let text = String(decoding: bytes[..<count], as: UTF8.self)
            #expect(!problems(text).isEmpty, "accepted the first \(count) bytes")
        }
    }

    /// haproxy's keywords that cannot matter are noted with their line.
    @Test(arguments: [
        ("maxconn", "nbthread 2", "'nbthread' is ignored."),
        ("maxconn", "stats timeout 3s", "'stats' is ignored."),
        ("maxconn", "ulimit-n 4000", "'ulimit-n' is ignored."),
        ("maxconn", "nbproc 1", "'nbproc' is ignored."),
        ("maxconn", "tune.bufsize 16384", "'tune.bufsize' is ignored."),
        ("maxconn", "maxconn 1\nmaxconn 2", "'maxconn' already specified; the first one stays."),
        ("log /dev", "log 127.0.0.1:514 len 300 local0", "'log … len' is ignored."),
        ("timeout", "timeout queue 3s", "'timeout queue' is ignored."),
        ("mode", "mode http\nbalance roundrobin", "'balance' is ignored."),
        ("mode", "mode http\noption redispatch", "'option redispatch' is ignored."),
        ("bind", "bind 127.0.0.1:80 name clear tfo", "'bind … tfo' is ignored."),
        ("bind", "bind 127.0.0.1:80,127.0.0.1:80", "'bind 127.0.0.1:80' is written twice; once is enough."),
        ("server", "server metadata /a weight 3", "'server … weight' is ignored."),
        ("backend", "resolvers dns\nnameserver a 1.2.3.4:53\nbackend limiter", "section 'resolvers' is ignored."),
        ("backend", "backend spare\nbackend limiter", "backend 'spare' is not used."),
    ])
    func keywordsThatCannotMatter(_ old: String, _ new: String, _ notice: String) throws {
        let plan = try HaproxyPlan(text: edited(old, new), file: "f.conf")
        #expect(plan.notices.contains { $0.message == notice }, "\(plan.notices)")
    }

    @Test(arguments: [
        ("0.0.0.0:9697", "0.0.0.0:9697"), ("169.254.169.254:80", "169.254.169.254:80"), (":::9697", "[::]:9697"),
        ("[::]:9697", "[::]:9697"), ("*:80", "0.0.0.0:80"), (":80", "0.0.0.0:80"), ("ipv6@:80", "[::]:80"),
        ("fe80::a9fe:a9fe:80 interface tap0", "[fe80::a9fe:a9fe]:80 interface tap0"),
        ("[fe80::a9fe:a9fe]:80 interface tap0", "[fe80::a9fe:a9fe]:80 interface tap0"),
        ("::1:1", "[::1]:1"), ("::ffff:10.0.0.1:65535", "10.0.0.1:65535"), (":::80 v6only", "[::]:80 v6only"),
        ("1.2.3.4:80,[::1]:81 interface lo", "1.2.3.4:80 interface lo, [::1]:81 interface lo"),
        ("1.2.3.4:80\n bind 1.2.3.5:80", "1.2.3.4:80, 1.2.3.5:80"), ("ipv4@1.2.3.4:0080", "1.2.3.4:80"),
    ])
    func bindForms(_ line: String, _ expected: String) throws {
        let plan = try HaproxyPlan(text: edited("bind", "bind " + line), file: "f.conf")
        #expect(plan.binds.map(\.description).joined(separator: ", ") == expected)
    }

    @Test(arguments: [
        ("32", 32), ("1us", 1), ("1000us", 1), ("1001us", 2), ("7ms", 7), ("3s", 3_000), ("2m", 120_000),
        ("1h", 3_600_000), ("24d", 2_073_600_000), ("0", nil), ("0s", nil), ("2147483647", 2_147_483_647),
    ])
    func times(_ text: String, _ milliseconds: Int?) throws {
        let plan = try HaproxyPlan(text: edited("timeout", "timeout client \(text)"), file: "f.conf")
        #expect(plan.timeouts.client == milliseconds)
        // Those that are not set follow.
        #expect(plan.timeouts.httpRequest == milliseconds)
        #expect(plan.timeouts.httpKeepAlive == milliseconds)
        #expect(plan.timeouts.server == nil)
    }

    @Test(arguments: [
        ("'lab one'x", nil), ("la'b'", "lab"), ("\"la\"b", "lab"), ("l\\x61b", "lab"), ("lab#x", "lab"),
        ("lab\\#x", "lab#x"), ("'lab#x'", "lab#x"), ("\"l'b\"", "l'b"), ("'l\"b'", "l\"b"), ("l\\\\b", "l\\b"),
        ("l\\qb", "l\\qb"), ("'l\\x61b'", "l\\x61b"), ("lab\\", "lab\\"), ("\"l\\$b\"", "l$b"), ("l$b", "l$b"),
    ])
    func quoting(_ word: String, _ id: String?) throws {
        let text = edited("set-header", "http-request set-header X-Neutron-Network-ID \(word)")
        guard let id else {
            #expect(problems(text).first?.code == .badArgument)
            return
        }
        let expected = try #require(ResourceID(id))
        #expect(try HaproxyPlan(text: text, file: "f.conf").scope == .network(expected))
    }

    @Test func settingsAreHandedOnAndOverridden() throws {
        let plan = try HaproxyPlan(
            text: """
                defaults quiet
                    mode http
                    timeout client 5s
                    maxconn 20
                    retries 7
                    log /dev/log local3 err
                defaults
                    mode tcp
                backend agent from quiet
                    server a unix@/run/a check
                    timeout server 9s
                    retries 1
                frontend door from quiet
                    bind :80
                    no log
                    log-tag mine
                    default_backend agent
                    http-request add-header x-ovn-network-id n

                """,
            file: "f.conf"
        )
        #expect(plan.headerFamily == .ovn)
        #expect(plan.socketPath == "/run/a")
        #expect(plan.timeouts.client == 5_000)
        #expect(plan.timeouts.server == 9_000)
        #expect(plan.connectRetries == 1)
        #expect(plan.connectionsMax == 20)
        #expect(plan.logs.isEmpty)
        #expect(plan.logTag == "mine")
        #expect(!plan.isDaemon)
        #expect(!plan.logsRequests)
    }

    @Test func aLimitMayBeWrittenAsTheFirstDeniedCount() throws {
        let plan = try HaproxyPlan(
            text: edited("deny_status", "http-request deny deny_status 429 if { src_http_req_rate(limiter) ge 9 }"),
            file: "f.conf"
        )
        let window = try #require(plan.rateLimit?.windows.first)
        #expect(window.requestsMax == 8)
        #expect(plan.rateLimit?.addressFamily == .ipv4)
    }

    /// As many as one message to the agent can carry.
    @Test func eightAddressesAreTheMost() throws {
        func binds(_ count: Int) -> String {
            edited("bind", (1...count).map { "bind 127.0.0.\($0):80" }.joined(separator: "\n"))
        }
        #expect(try HaproxyPlan(text: binds(8), file: "f.conf").binds.count == 8)
        #expect(problems(binds(9)).first?.message.contains("more than 8 addresses") == true)
    }
}
