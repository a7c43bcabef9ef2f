import Glibc
import OsloConfig
import Testing

@testable import MetadataAgent

/// Loads configuration texts with the agent's table, as the program would.
final class AgentFiles {
    private let folder: String

    init() {
        let template = "/tmp/bellhop-agent-XXXXXX".utf8CString
        folder = template.withUnsafeBufferPointer { source in
            withUnsafeTemporaryAllocation(of: CChar.self, capacity: source.count) { buffer in
                _ = buffer.initialize(from: source)
                guard let start = buffer.baseAddress, let made = mkdtemp(start) else { return "/nonexistent" }
                return String(cString: made)
            }
        }
        mkdir(folder + "/conf.d", 0o755)
    }

    deinit {
        for name in ["agent.ini", "neutron.conf", "conf.d/10.conf", "conf.d/20.conf"] { unlink(folder + "/" + name) }
        rmdir(folder + "/conf.d")
        rmdir(folder)
    }

    var confD: String { folder + "/conf.d" }

    @discardableResult
    func write(_ name: String, _ text: String) -> String {
        let path = folder + "/" + name
        let bytes = Array(text.utf8)
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        _ = Glibc.write(descriptor, bytes, bytes.count)
        close(descriptor)
        return path
    }

    func load(
        _ arguments: [String],
        environment: [String: String] = [:]
    ) throws(ConfigurationError) -> Configuration? {
        let loader = ConfigurationLoader(
            program: "neutron-metadata-agent",
            version: "1",
            options: AgentOptions.all,
            environment: environment.merging(["HOME": folder]) { given, _ in given },
            etcDirectory: folder + "/etc"
        )
        guard case .run(let configuration) = try loader.load(arguments: arguments) else { return nil }
        return configuration
    }

    /// Loads one file with `text`.
    func load(_ text: String, environment: [String: String] = [:]) throws -> Configuration {
        try #require(try load(["--config-file", write("agent.ini", text)], environment: environment))
    }

    func failure(_ text: String) -> ConfigurationError? {
        do throws(ConfigurationError) {
            _ = try load(["--config-file", write("agent.ini", text)])
            return nil
        } catch {
            return error
        }
    }
}

/// Files as operators of different releases have them.
@Suite struct AgentCompatibilityTests {
    private let files = AgentFiles()

    @Test func junoMetadataAgentFileIsUnderstood() throws {
        let configuration = try files.load(
            """
            [DEFAULT]
            # Show debugging output in log (sets DEBUG log level output)
            debug = True
            auth_url = http://controller:5000/v2.0
            auth_region = regionOne
            auth_insecure = False
            admin_tenant_name = service
            admin_user = neutron
            admin_password = s3cr;t # not a comment
            nova_metadata_ip = 10.0.0.11
            nova_metadata_port = 8775
            metadata_proxy_shared_secret = "quoted secret"
            metadata_workers = 2
            cache_url = memory://?default_ttl=5
            """
        )
        #expect(configuration.string("auth_url") == "http://controller:5000/v2.0")
        #expect(configuration.string("admin_password") == "s3cr;t # not a comment")
        #expect(configuration.string("nova_metadata_host") == "10.0.0.11")
        #expect(configuration.string("metadata_proxy_shared_secret") == "quoted secret")
        #expect(configuration.integer("metadata_workers") == 2)
        #expect(configuration.boolean("auth_insecure") == false)
        #expect(configuration.string("cache_url") == "memory://?default_ttl=5")
        // H46: the old name keeps working, with a word about the new one.
        #expect(
            configuration.warnings == [
                "Option \"nova_metadata_ip\" from group \"DEFAULT\" is deprecated. "
                    + "Use option \"nova_metadata_host\" from group \"DEFAULT\"."
            ]
        )
    }

    @Test func kiloRabbitGroupIsUnderstood() throws {
        let configuration = try files.load(
            """
            [DEFAULT]
            verbose = True
            rpc_backend = rabbit
            core_plugin = ml2
            service_plugins = router
            notify_nova_on_port_status_changes = True

            [keystone_authtoken]
            auth_uri = http://controller:5000

            [oslo_messaging_rabbit]
            rabbit_hosts = a,b:5673
            rabbit_userid = openstack
            rabbit_password = RABBIT_PASS
            rabbit_use_ssl = true
            kombu_ssl_ca_certs = /etc/ssl/ca.pem
            """
        )
        let group = "oslo_messaging_rabbit"
        #expect(configuration.list("rabbit_hosts", group: group) == ["a", "b:5673"])
        #expect(configuration.string("rabbit_userid", group: group) == "openstack")
        #expect(configuration.boolean("ssl", group: group) == true)
        #expect(configuration.string("ssl_ca_file", group: group) == "/etc/ssl/ca.pem")
        #expect(configuration.string("rpc_backend") == "rabbit")
        #expect(configuration.warnings.count == 2)
    }

    @Test func junoRabbitOptionsInDefaultAreUnderstood() throws {
        let configuration = try files.load("[DEFAULT]\nrabbit_host = broker\nrabbit_port = 5671\nrabbit_password = p")
        #expect(configuration.list("rabbit_hosts", group: "oslo_messaging_rabbit") == ["broker:5671"])
        #expect(configuration.string("rabbit_password", group: "oslo_messaging_rabbit") == "p")
    }

    @Test func currentFileWithThreeBrokersAndQuorumQueuesIsUnderstood() throws {
        let url = "rabbit://neutron:p%40ss@ctl1:5672,neutron:p%40ss@ctl2:5672,neutron:p%40ss@ctl3:5672//"
        let configuration = try files.load(
            """
            [DEFAULT]
            transport_url = \(url)
            host = compute-17.example.org
            state_path = /var/lib/neutron

            [oslo_messaging_rabbit]
            rabbit_quorum_queue = true
            rabbit_transient_quorum_queue = true
            use_queue_manager = true
            heartbeat_timeout_threshold = 60

            [agent]
            report_interval = 15
            """
        )
        #expect(configuration.string("transport_url") == url)
        #expect(configuration.boolean("rabbit_quorum_queue", group: "oslo_messaging_rabbit") == true)
        #expect(configuration.boolean("rabbit_transient_quorum_queue", group: "oslo_messaging_rabbit") == true)
        #expect(configuration.string("hostname", group: "oslo_messaging_rabbit") == "compute-17.example.org")
        #expect(configuration.float("report_interval", group: "AGENT") == 15)
        #expect(configuration.warnings.isEmpty)
        let dump = configuration.optionDump()
        #expect(dump.contains("transport_url                  = ****"))
        #expect(!dump.joined().contains("p%40ss"))
    }

    @Test func severalFilesAndAFolderAreReadInOrder() throws {
        let first = files.write(
            "neutron.conf",
            "[DEFAULT]\nnova_metadata_host = first\nmetadata_workers = 1\nhost = h1"
        )
        let second = files.write("agent.ini", "[DEFAULT]\nnova_metadata_host = second\nmetadata_workers = 2")
        files.write("conf.d/10.conf", "[DEFAULT]\nnova_metadata_host = ten")
        files.write("conf.d/20.conf", "[DEFAULT]\nnova_metadata_host = twenty")
        let arguments = ["--config-file", first, "--config-file", second, "--config-dir", files.confD]
        let configuration = try #require(try files.load(arguments))
        #expect(configuration.string("nova_metadata_host") == "twenty")
        #expect(configuration.integer("metadata_workers") == 2)
        #expect(configuration.string("host") == "h1")
        #expect(configuration.configFiles == [first, second, files.confD + "/10.conf", files.confD + "/20.conf"])
    }

    @Test func environmentAloneConfiguresTheAgent() throws {
        let environment = [
            "OS_DEFAULT__NOVA_METADATA_HOST": "nova.example.org",
            "OS_DEFAULT__METADATA_PROXY_SHARED_SECRET": "from$$env",
            "OS_AGENT__REPORT_INTERVAL": "0",
            "OS_BELLHOP__HOLD_SECONDS": "2.5",
        ]
        let configuration = try #require(try files.load([], environment: environment))
        #expect(configuration.string("nova_metadata_host") == "nova.example.org")
        #expect(configuration.string("metadata_proxy_shared_secret") == "from$env")
        #expect(configuration.float("report_interval", group: "AGENT") == 0)
        #expect(configuration.float("hold_seconds", group: "bellhop") == 2.5)
        #expect(configuration.configFiles.isEmpty)
    }

    @Test func statePathIsSubstitutedThroughAChain() throws {
        let byDefault = try files.load("[DEFAULT]\nstate_path = /srv/$host\nhost = h1")
        #expect(byDefault.string("metadata_proxy_socket") == "/srv/h1/metadata_proxy")
        let text = "[DEFAULT]\nstate_path = /srv\nrun_path = $state_path/run\nmetadata_proxy_socket = ${run_path}/sock"
        // Not an option of ours, but another program that shares the file may have it.
        #expect(try files.load(text).string("metadata_proxy_socket") == "/srv/run/sock")
        let file = files.write("agent.ini", "[DEFAULT]\nhost = h1")
        let onCommandLine = try #require(try files.load(["--config-file", file, "--state_path=/x"]))
        #expect(onCommandLine.string("metadata_proxy_socket") == "/x/metadata_proxy")
    }

    @Test func indentedCommentBelongsToTheValue() throws {
        let error = try #require(files.failure("[DEFAULT]\nnova_metadata_port = 8775\n  # the port\nhost = h1"))
        #expect(error.problems.map(\.line) == [2])
        #expect(error.description.contains("but found '8775\\n# the port'"))
        let configuration = try files.load("[DEFAULT]\nmetadata_proxy_shared_secret = s\n  # old: t")
        #expect(configuration.string("metadata_proxy_shared_secret") == "s\n# old: t")
    }

    @Test(arguments: ["agent", "AGENT", "Agent"])
    func agentGroupHasNoCase(group: String) throws {
        let configuration = try files.load("[\(group)]\nreport_interval = 7\nroot_helper = sudo")
        #expect(configuration.float("report_interval", group: "AGENT") == 7)
        #expect(configuration.float("report_interval", group: "agent") == 7)
    }
}

@Suite struct AgentOptionsTests {
    private let files = AgentFiles()

    @Test func defaultsAreThoseOfTheReference() throws {
        let configuration = try files.load("")
        #expect(configuration.string("metadata_proxy_socket") == "/var/lib/neutron/metadata_proxy")
        #expect(configuration.string("nova_metadata_host") == "127.0.0.1")
        #expect(configuration.integer("nova_metadata_port") == 8775)
        #expect(configuration.string("metadata_proxy_shared_secret") == "")
        #expect(configuration.integer("metadata_backlog") == 4096)
        #expect(configuration.integer("metadata_workers") == nil)
        #expect(configuration.float("report_interval", group: "AGENT") == 30)
        #expect(configuration.string("cache_url") == "memory://?default_ttl=5")
        #expect(configuration.boolean("enabled", group: "cache") == false)
        #expect(configuration.float("hold_seconds", group: "bellhop") == 8.5)
        #expect(configuration.float("lookup_cache_seconds", group: "bellhop") == nil)
        #expect(configuration.integer("request_body_bytes_max", group: "bellhop") == 1_048_576)
        #expect(configuration.list("rabbit_hosts", group: "oslo_messaging_rabbit") == ["localhost:5672"])
        #expect(configuration.string("host")?.isEmpty == false)
        #expect(configuration.warnings.isEmpty)
    }

    @Test func everyNameIsThereOnce() {
        var seen: Set<Option.Name> = []
        for option in AgentOptions.all {
            for name in [Option.Name(group: option.group, name: option.name)] + option.deprecatedNames {
                #expect(seen.insert(name).inserted, "\(name)")
            }
        }
    }

    @Test func everyOptionHasAFullSentenceOfHelp() {
        for option in AgentOptions.all {
            #expect(option.help.hasSuffix(".") && option.help.first?.isUppercase == true, "\(option.name)")
            #expect(!option.name.contains("-"), "files spell names with underscores")
        }
    }

    @Test func exactlyTheSecretsAreSecret() {
        let secrets = AgentOptions.all.filter(\.isSecret).map(\.name).sorted()
        #expect(
            secrets == [
                "admin_password", "backend_argument", "metadata_proxy_shared_secret", "password", "rabbit_password",
                "transport_url",
            ]
        )
    }

    @Test func onlyTheStatePathIsOnTheCommandLine() {
        #expect(AgentOptions.all.filter { $0.commandLine != nil }.map(\.name) == ["state_path"])
    }

    @Test(arguments: [
        ("nova_metadata_port = 70000", "nova_metadata_port"),
        ("nova_metadata_protocol = HTTP", "nova_metadata_protocol"),
        ("nova_metadata_host = http://nova", "nova_metadata_host"), ("metadata_workers = -1", "metadata_workers"),
        ("metadata_backlog = 0", "metadata_backlog"),
        ("metadata_proxy_socket_mode = 0666", "metadata_proxy_socket_mode"),
        ("rpc_backend = qpid", "rpc_backend"), ("endpoint_type = admin", "endpoint_type"),
        ("metadata_proxy_shared_secret = pa$word", "metadata_proxy_shared_secret"),
        ("[bellhop]\nhold_seconds = 61", "hold_seconds"), ("[bellhop]\nxff_policy = first", "xff_policy"),
        ("[bellhop]\nholdseconds = 1", "holdseconds"), ("[agent]\nreport_interval = -1", "report_interval"),
        ("[cache]\nbackend = memcached", "backend"),
    ])
    func wrongValueIsRefusedAndNamed(text: String, name: String) throws {
        let error = try #require(files.failure("[DEFAULT]\n" + text))
        #expect(error.exitStatus == 1)
        #expect(error.problems.map(\.option?.name) == [name])
        #expect(error.description.contains("agent.ini:"))
    }

    /// Numbers that no clock can hold: refused with their line, or cut to what can be meant.
    @Test func noNumberOfSecondsStopsTheProgram() throws {
        let floats = AgentOptions.all.filter { if case .float = $0.kind { true } else { false } }
        #expect(floats.count > 5)
        for option in floats {
            let text = "[\(option.group)]\n\(option.name) = 1e300\n[bellhop]\ninventory = /dev/null\n"
            guard files.failure(text) == nil else { continue }
            let configuration = try files.load(text + "[DEFAULT]\ntransport_url = rabbit://a:b@c:1/\n")
            _ = try? AgentSettings(configuration)
        }
    }

    @Test func leftoversAreAcceptedWithOneWarningEach() throws {
        let configuration = try files.load(
            "[DEFAULT]\nbacklog = many\nwsgi_keep_alive = no\n[cache]\nmemcache_servers = h:11211\nmemcache_username = u"
        )
        #expect(configuration.warnings.filter { $0.contains("has no effect") }.count == 4)
        #expect(
            configuration.warnings.contains { $0.hasPrefix("Option \"backlog\" from group \"DEFAULT\" has no effect") }
        )
    }

    @Test func sampleFileConfiguresNothing() throws {
        let configuration = try files.load(SampleConfig.render(options: AgentOptions.all))
        for option in AgentOptions.all { #expect(!configuration.isSet(option.name, group: option.group)) }
    }

    /// What the sample shows is what the agent does: removing every `#` in front of a default changes no value.
    @Test func sampleFileShowsTheDefaults() throws {
        let lines = SampleConfig.render(options: AgentOptions.all).split(separator: "\n").map(String.init)
        let uncommented = lines.filter { !$0.contains("= <") }
            .map { $0.hasPrefix("#") && !$0.hasPrefix("# ") ? String($0.dropFirst()) : $0 }
        let fromSample = try files.load(uncommented.joined(separator: "\n"))
        let byDefault = try files.load("")
        for option in AgentOptions.all {
            let isList = option.kind == .list || option.kind == .multiString
            #expect(
                isList
                    ? fromSample.list(option.name, group: option.group)
                        == byDefault.list(option.name, group: option.group)
                    : fromSample.string(option.name, group: option.group)
                        == byDefault.string(option.name, group: option.group),
                "\(option.group) \(option.name)"
            )
        }
    }
}
