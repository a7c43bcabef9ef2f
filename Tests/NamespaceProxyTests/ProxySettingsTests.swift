import MetadataModel
import OsloConfig
import OsloLog
import RelayLoop
import Testing

@testable import NamespaceProxy

@Suite struct ProxySettingsTests {
    private let network = "11111111-2222-4333-8444-555555555555"
    private let router = "66666666-7777-4888-8999-aaaaaaaaaaaa"

    private func settings(_ arguments: [String]) throws -> ProxySettings {
        let loader = ConfigurationLoader(
            program: NamespaceProxyMain.program,
            version: "0",
            options: NamespaceProxyMain.options,
            usesDefaultFiles: false,
            environment: [:]
        )
        guard case .run(let configuration) = try loader.load(arguments: arguments) else {
            throw ProxyError(.badOption, "not run")
        }
        return try ProxySettings(configuration, workingDirectory: "/agents/directory")
    }

    @Test func networkIsScopeAndIdentity() throws {
        let settings = try settings(["--network_id=\(network)"])
        #expect("\(settings.scope)" == "network \(network)")
        #expect("\(settings.identity)" == network)
    }

    // With enable_metadata_network the DHCP agent passes a router and keeps track by the network.
    @Test func ofBothRouterIsSentAndNetworkIdentifies() throws {
        let settings = try settings(["--network_id=\(network)", "--router_id=\(router)"])
        #expect("\(settings.scope)" == "router \(router)")
        #expect("\(settings.identity)" == network)
    }

    @Test(arguments: [[], ["--network_id="], ["--network_id=", "--router_id="]])
    func withoutAnIdTheOriginalsSentenceIsGiven(_ arguments: [String]) {
        let error = #expect(throws: ProxyError.self) { try settings(arguments) }
        #expect(error?.code == .idMissing)
        #expect(error?.message == "network_id and router_id are None. One must be provided.")
    }

    @Test(arguments: ["a b", "a\r\nX-Instance-ID: 1", "ä", String(repeating: "x", count: 256)])
    func idThatCannotStandInAHeaderIsRefused(_ id: String) {
        let error = #expect(throws: ProxyError.self) { try settings(["--router_id=\(id)"]) }
        #expect(error?.code == .badOption)
        #expect(error?.message.contains("router_id") == true)
    }

    @Test func defaultsAreTheOriginals() throws {
        let settings = try settings(["--network_id=\(network)"])
        #expect(settings.port == 9_697)
        #expect(settings.agentSocket == "/var/lib/neutron/metadata_proxy")
        #expect(settings.runsInBackground)
        #expect(settings.watchesLogFile)
        #expect(settings.pidFile == nil)
        #expect(settings.user == "" && settings.group == "")
        #expect(settings.hold == .seconds(8.5))
    }

    // A daemon's directory is /, so what was relative would mean something else.
    @Test func relativePathsStartWhereTheProgramWasStarted() throws {
        let settings = try settings([
            "--network_id=\(network)", "--pid_file=a.pid", "--metadata_proxy_socket=run/proxy",
        ])
        #expect(settings.pidFile == "/agents/directory/a.pid")
        #expect(settings.agentSocket == "/agents/directory/run/proxy")
    }

    /// The command line of Kilo's L3 agent.
    @Test func commandLineOfAnAgentIsUnderstood() throws {
        let settings = try settings([
            "--pid_file=/s/external/pids/\(router).pid", "--metadata_proxy_socket=/s/metadata_proxy",
            "--router_id=\(router)", "--state_path=/s", "--metadata_port=9697", "--metadata_proxy_user=130",
            "--metadata_proxy_group=140", "--debug", "--verbose",
            "--log-file=neutron-ns-metadata-proxy-\(router).log", "--log-dir=/var/log/neutron",
            "--nometadata_proxy_watch_log",
        ])
        #expect(settings.pidFile == "/s/external/pids/\(router).pid")
        #expect(settings.user == "130" && settings.group == "140")
        #expect(!settings.watchesLogFile)
    }

    @Test func socketOfStatePathIsTheDefault() throws {
        #expect(try settings(["--network_id=n", "--state_path=/s"]).agentSocket == "/s/metadata_proxy")
    }

    @Test func socketPathTooLongForTheKernelIsRefusedAtTheStart() {
        let path = "/" + String(repeating: "x", count: 107)
        let error = #expect(throws: ProxyError.self) {
            try settings(["--network_id=n", "--metadata_proxy_socket=\(path)"])
        }
        #expect(error?.code == .badOption)
    }
}
