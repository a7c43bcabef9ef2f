import EmbeddedNova
import Glibc
import InstanceDirectory
import Inventory
import LinuxHost
import Logging
import MetadataAgent
import MetadataModel
import NovaBackend
import NovaMetadata
import OsloLog
import RelayLoop
import RequestPath
import ServiceLifecycle

/// A complete metadata service for a lab, in one process and without OpenStack: doors for guests, the agent's six steps,
/// the inventory as directory, and an embedded Nova behind it.
///
/// Guests connect to the agent directly, the door says which network they are on. In addition it can listen on a UNIX
/// socket like the agent (for our namespace proxy or haproxy) and on a port like Nova (for any Neutron agent).
public struct StandaloneService: Sendable {
    private let options: StandaloneOptions
    private let log: LogControl
    private let logger = Logger(label: "bellhop.serve")

    public init(options: StandaloneOptions, log: LogControl) {
        self.options = options
        self.log = log
    }

    /// Serves until SIGTERM or SIGINT.
    ///
    /// - Throws: `InventoryError` naming file, line and key, `HostError` where an address cannot be listened to.
    public func run() async throws {
        let signals = try SignalStream.start()
        FileLimits.raise()
        let directory = try InventoryDirectory(path: options.inventoryPath)
        let doors = try options.doors(inventory: directory.inventory)
        let secret = options.secret ?? Self.randomSecret()
        let state = try PrivateDirectory()
        defer { state.remove() }
        let backend = try BackendEndpoint(unixPath: state.path + "/nova")

        var upstream = UpstreamSettings(
            addresses: FixedAddresses([.unix(path: state.path + "/nova")]),
            host: backend.authority
        )
        // The embedded Nova closes idle connections after 75 s; ours must go first.
        upstream.idleTimeout = .seconds(30)
        var settings = RelaySettings()
        settings.hold.durationMax = .seconds(options.holdSeconds)
        let core = try AgentCore(
            directory: directory,
            lifetime: .seconds(5),
            signer: InstanceSigner(secret: secret),
            upstream: upstream,
            settings: settings,
            workers: options.workers,
            access: log.accessLog
        )

        let listening = try doors.map { door in
            let descriptor = try TCPListener.open(
                address: "\(door.address)",
                port: door.port,
                interface: door.interface,
                retry: BindRetry(windowSeconds: 0)
            )
            return Door(socket: ListeningSocketHandle(adopting: descriptor), identity: .scope(door.scope))
        }
        let socket = try options.proxySocketPath.map { path in
            try UnixListener.open(path: path, permissions: 0o666, backlog: 4_096)
        }

        let passwords: any PasswordStore
        if let path = options.passwordFile {
            passwords = try PasswordFile(path: path)
        } else {
            passwords = InMemoryPasswordStore()
        }
        let inventory: @Sendable () -> Inventory = { directory.inventory }
        let ready = ReadyGate { [logger] in
            for door in doors {
                logger.info("Listening for guests", metadata: ["address": "\(door.text)", "scope": "\(door.scope)"])
                core.relay.open(listening[door.index])
            }
            if let socket {
                core.relay.open(Door(socket: ListeningSocketHandle(adopting: socket.descriptor), identity: .headers))
                logger.info("Listening for namespace proxies", metadata: ["socket": "\(socket.path)"])
            }
            SystemdNotifier().ready()
        }
        var services: [ServiceGroupConfiguration.ServiceConfiguration] = [
            .init(
                service: EmbeddedNovaServer(
                    address: .unix(path: state.path + "/nova"),
                    secret: secret,
                    inventory: inventory,
                    passwords: passwords,
                    logger: Logger(label: "bellhop.nova"),
                    onListening: { _ in ready.open() }
                )
            )
        ]
        if let (host, port) = options.novaAddress {
            services.append(
                .init(
                    service: EmbeddedNovaServer(
                        address: .tcp(host: host, port: port),
                        secret: options.secret ?? "",
                        inventory: inventory,
                        passwords: passwords,
                        logger: Logger(label: "bellhop.nova"),
                        onListening: { [logger] bound in
                            logger.info(
                                "Serving as Nova's metadata API",
                                metadata: ["address": "\(host):\(bound ?? port)"]
                            )
                        }
                    )
                )
            )
        }
        services.append(
            .init(
                service: RelayLife(core: core, socket: socket),
                successTerminationBehavior: .gracefullyShutdownGroup
            )
        )
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(services: services, logger: Logger(label: "bellhop.service"))
        )
        let watcher = Task {
            for await signal in signals {
                switch signal {
                case .hangUp: reload(directory, core)
                case .terminate, .interrupt, .finish: await group.triggerGracefulShutdown()
                }
            }
        }
        defer { watcher.cancel() }
        try await group.run()
    }

    /// SIGHUP reads the inventory again; a broken file leaves the old one in force.
    private func reload(_ directory: InventoryDirectory, _ core: AgentCore) {
        log.reopen()
        do throws(InventoryError) {
            try directory.reload()
            core.forgetInstances()
            logger.info("Inventory reloaded", metadata: ["instances": "\(directory.inventory.instances.count)"])
        } catch {
            logger.error("The inventory was not reloaded; the old one stays in force", metadata: ["reason": "\(error)"])
        }
    }

    /// Between our own signature and our own check nobody needs to know it.
    private static func randomSecret() -> String {
        var generator = SystemRandomNumberGenerator()
        return String(generator.next(), radix: 16) + String(generator.next(), radix: 16)
    }
}

/// Drains the relay loops at the end, as the daemon does.
private struct RelayLife: Service {
    /// A lab's Ctrl-C should not have to wait for a held request.
    private static let grace = LoopSpan.seconds(5)

    let core: AgentCore
    let socket: UnixListener?

    func run() async throws {
        try await core.relay.untilStopped {
            SystemdNotifier().stopping()
            socket?.unlinkIfOurs()
            core.relay.drain(grace: Self.grace)
        }
    }
}
