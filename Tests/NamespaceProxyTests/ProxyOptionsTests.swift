import OsloConfig
import Testing

@testable import NamespaceProxy

@Suite struct ProxyOptionsTests {
    private func load(_ arguments: [String]) throws(ConfigurationError) -> Configuration? {
        let loader = ConfigurationLoader(
            program: "neutron-ns-metadata-proxy",
            version: "1",
            options: ProxyOptions.all,
            usesDefaultFiles: false,
            environment: [:]
        )
        guard case .run(let configuration) = try loader.load(arguments: arguments) else { return nil }
        return configuration
    }

    private static let network = "8b6a3bd5-5a2e-4a2b-9a44-2f0f5a3c1d11"

    @Test func commandLineOfAJunoL3AgentIsUnderstood() throws {
        let configuration = try #require(
            try load([
                "--pid_file=/var/lib/neutron/external/pids/\(Self.network).pid",
                "--metadata_proxy_socket=/var/lib/neutron/metadata_proxy", "--router_id=\(Self.network)",
                "--state_path=/var/lib/neutron", "--metadata_port=9697",
            ])
        )
        #expect(configuration.string("router_id") == Self.network)
        #expect(configuration.string("network_id") == nil)
        #expect(configuration.string("pid_file")?.hasSuffix(".pid") == true)
        #expect(configuration.integer("metadata_port") == 9697)
        #expect(configuration.boolean("daemonize") == true)
    }

    @Test func commandLineOfAKiloDHCPAgentIsUnderstood() throws {
        let configuration = try #require(
            try load([
                "--pid_file=/p", "--network_id=\(Self.network)", "--state_path=/srv/neutron", "--metadata_port=80",
                "--metadata_proxy_user=996", "--metadata_proxy_group=neutron", "--nometadata_proxy_watch_log",
            ])
        )
        #expect(configuration.string("network_id") == Self.network)
        #expect(configuration.string("metadata_proxy_socket") == "/srv/neutron/metadata_proxy")
        #expect(configuration.string("metadata_proxy_user") == "996")
        #expect(configuration.string("metadata_proxy_group") == "neutron")
        #expect(configuration.boolean("metadata_proxy_watch_log") == false)
    }

    @Test func defaultsAreThoseOfTheReference() throws {
        let configuration = try #require(try load([]))
        #expect(configuration.integer("metadata_port") == 9697)
        #expect(configuration.string("metadata_proxy_socket") == "/var/lib/neutron/metadata_proxy")
        #expect(configuration.string("pid_file") == nil)
        #expect(configuration.string("metadata_proxy_user") == nil)
        #expect(configuration.boolean("metadata_proxy_watch_log") == true)
        #expect(configuration.float("hold_seconds") == 8.5)
    }

    @Test func holdMayBeTurnedOff() throws {
        #expect(try load(["--hold_seconds=0"])?.float("hold_seconds") == 0)
        #expect(try load(["--hold-seconds", "2.5", "--nodaemonize"])?.float("hold_seconds") == 2.5)
    }

    @Test(arguments: zip(["--metadata_port=http", "--hold_seconds=61", "--metadata_proxy_watch_log=1"], [1, 1, 2]))
    func wrongArgumentEndsWithItsStatus(argument: String, status: Int) {
        do throws(ConfigurationError) {
            _ = try load([argument])
            Issue.record("\(argument) was accepted")
        } catch {
            #expect(Int(error.exitStatus) == status)
        }
    }

    @Test func everyOptionIsOnTheCommandLineUnderItsOwnName() {
        for option in ProxyOptions.all { #expect(option.commandLine?.spellings == [option.name]) }
        #expect(Set(ProxyOptions.all.map(\.name)).count == ProxyOptions.all.count)
    }
}
