import Inventory
import LinuxHost
import Logging
import NovaBackend
import OsloConfig
import OsloLog
import RequestPath
import ServiceLifecycle
import UnixSignals

/// SIGHUP: opens the log files again and takes into use what can be changed without dropping a connection: the
/// debug switch, the inventory, the shared secret, Nova's address and TLS files. Anything wrong in the new
/// configuration leaves the old one in force.
actor AgentReload: Service {
    private let loader: ConfigurationLoader
    private let arguments: [String]
    private var settings: AgentSettings
    private var nova: NovaUpstream
    private let core: AgentCore
    private let directory: AgentDirectory
    private let log: LogControl

    init(
        loader: ConfigurationLoader,
        arguments: [String],
        settings: AgentSettings,
        nova: NovaUpstream,
        core: AgentCore,
        directory: AgentDirectory,
        log: LogControl
    ) {
        self.loader = loader
        self.arguments = arguments
        self.settings = settings
        self.nova = nova
        self.core = core
        self.directory = directory
        self.log = log
    }

    func run() async throws {
        for await _ in await UnixSignalsSequence(trapping: .sighup).cancelOnGracefulShutdown() {
            let systemd = SystemdNotifier()
            systemd.reloading()
            reload()
            systemd.ready()
        }
    }

    private func reload() {
        log.reopen()
        let logger = AgentLog.agent
        do {
            guard case .run(let configuration) = try loader.load(arguments: arguments) else { return }
            let fresh = try AgentSettings(configuration)
            let freshNova = try NovaUpstream(fresh)
            try directory.reload()
            log.setDebug(configuration.boolean("debug") ?? false)
            warnAboutRestart(fresh)
            core.reload(signer: InstanceSigner(secret: fresh.secret), upstream: freshNova.settings)
            nova.stop()
            nova = freshNova
            settings.secret = fresh.secret
            settings.backend = fresh.backend
            logger.info("Configuration reloaded")
        } catch {
            logger.error("The configuration was not reloaded; the old one stays in force", metadata: ["reason": "\(error)"])
        }
    }

    private func warnAboutRestart(_ fresh: AgentSettings) {
        var changed: [String] = []
        if fresh.socketPath != settings.socketPath { changed.append("metadata_proxy_socket") }
        if fresh.socketPermissions != settings.socketPermissions { changed.append("metadata_proxy_socket_mode") }
        if fresh.workers != settings.workers { changed.append("metadata_workers") }
        if fresh.lookupLifetime != settings.lookupLifetime { changed.append("cache_url") }
        guard !changed.isEmpty else { return }
        AgentLog.agent.warning(
            "Some changed options take effect at the next start only",
            metadata: ["options": "\(changed.joined(separator: " "))"]
        )
    }
}
