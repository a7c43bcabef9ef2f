import Inventory
import LinuxHost
import Logging
import NovaBackend
import OsloConfig
import OsloLog
import RequestPath

/// SIGHUP: opens the log files again and takes into use what can be changed without dropping a connection: the
/// debug switch, the inventory, the shared secret, Nova's address and TLS files. Anything wrong in the new
/// configuration leaves the old one in force.
actor AgentReload {
    private let loader: ConfigurationLoader
    private let arguments: [String]
    /// As it was read last: a change that waits for the next start is told once.
    private var configuration: Configuration
    private var nova: NovaUpstream
    private let core: AgentCore
    private let directory: AgentDirectory
    private let log: LogControl

    init(
        loader: ConfigurationLoader,
        arguments: [String],
        configuration: Configuration,
        nova: NovaUpstream,
        core: AgentCore,
        directory: AgentDirectory,
        log: LogControl
    ) {
        self.loader = loader
        self.arguments = arguments
        self.configuration = configuration
        self.nova = nova
        self.core = core
        self.directory = directory
        self.log = log
    }

    func reload() {
        let systemd = SystemdNotifier()
        systemd.reloading()
        defer { systemd.ready() }
        log.reopen()
        let logger = AgentLog.agent
        do {
            guard case .run(let freshConfiguration) = try loader.load(arguments: arguments) else { return }
            let fresh = try AgentSettings(freshConfiguration)
            let freshNova = try NovaUpstream(fresh)
            try directory.reload()
            log.setDebug(freshConfiguration.boolean("debug") ?? false)
            warnAboutRestart(freshConfiguration)
            core.reload(signer: InstanceSigner(secret: fresh.secret), upstream: freshNova.settings)
            nova.stop()
            nova = freshNova
            configuration = freshConfiguration
            logger.info("Configuration reloaded")
        } catch {
            logger.error(
                "The configuration was not reloaded; the old one stays in force",
                metadata: ["reason": "\(error)"]
            )
        }
    }

    /// What SIGHUP takes into use; any other option that has changed waits for the next start, and that is said.
    private static let reloadable: Set<String> = [
        "debug", "metadata_proxy_shared_secret", "nova_metadata_host", "nova_metadata_port", "nova_metadata_protocol",
        "nova_metadata_insecure", "nova_client_cert", "nova_client_priv_key", "auth_ca_cert", "nova_timeout_seconds",
        "upstream_connections_max",
    ]

    private func warnAboutRestart(_ fresh: Configuration) {
        let waiting = fresh.changes(from: configuration).filter { !Self.reloadable.contains($0.name) }
        guard !waiting.isEmpty else { return }
        AgentLog.agent.warning(
            "Some changed options take effect at the next start only",
            metadata: ["options": "\(waiting.map { "[\($0.group)] \($0.name)" }.joined(separator: ", "))"]
        )
    }
}
