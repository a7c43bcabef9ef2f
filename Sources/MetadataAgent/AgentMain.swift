import Glibc
import InstanceDirectory
import Inventory
import LinuxHost
import Logging
import MetadataModel
import NeutronREST
import NovaBackend
import OsloConfig
import OsloLog
import RelayLoop
import RequestPath
import ServiceLifecycle

/// `neutron-metadata-agent`: reads the configuration, builds the services, runs them.
public enum AgentMain {
    public static let program = "neutron-metadata-agent"

    /// Every option of every Neutron release, and oslo.log's.
    public static let options = AgentOptions.all + LoggingOptions.all

    /// `SignalSource.process` must have been made before, on the main thread.
    ///
    /// - Parameter arguments: without the program's own name.
    /// - Returns: the exit status: 0 after a clean stop, 1 for anything wrong, 2 for a wrong command line.
    public static func run(arguments: [String], environment: [String: String]) async -> Int32 {
        Daemon.occupyStandardDescriptors()
        let loader = ConfigurationLoader(
            program: program,
            version: BellhopVersion.text,
            options: options,
            environment: environment,
            summary: "Answers guests' metadata requests that namespace proxies pass to its UNIX socket."
        )
        do {
            switch try loader.load(arguments: arguments) {
            case .exit(let status, let output):
                print(output, terminator: output.hasSuffix("\n") ? "" : "\n")
                return status
            case .run(let configuration):
                let log = try OsloLog.bootstrap(LogSettings(configuration, program: program))
                return await run(configuration, loader: loader, arguments: arguments, log: log)
            }
        } catch let error as ConfigurationError {
            StandardError.write("\(error)")
            return error.exitStatus
        } catch {
            StandardError.write("\(program): \(error)")
            return 1
        }
    }

    private static func run(
        _ configuration: Configuration,
        loader: ConfigurationLoader,
        arguments: [String],
        log: LogControl
    ) async -> Int32 {
        let logger = AgentLog.agent
        StartLines.write(program: program, version: BellhopVersion.text, configuration, main: logger)
        do {
            try await serve(configuration, loader: loader, arguments: arguments, log: log)
            logger.info("Stopped")
            log.flush()
            return 0
        } catch {
            logger.critical("\(error)")
            log.flush()
            StandardError.write("\(program): \(error)")
            return 1
        }
    }

    private static func serve(
        _ configuration: Configuration,
        loader: ConfigurationLoader,
        arguments: [String],
        log: LogControl
    ) async throws {
        let signals = try SignalStream.start()
        FileLimits.raise()
        let settings = try AgentSettings(configuration)
        for warning in settings.tls.warnings where settings.backend.isSecure { AgentLog.agent.warning("\(warning)") }
        for warning in settings.warnings { AgentLog.agent.warning("\(warning)") }

        let bus = try AgentBus(settings)
        let directory = try AgentDirectory(settings, bus: bus?.bus)
        let nova = try NovaUpstream(settings)
        let core = try AgentCore(
            directory: directory.directory,
            lifetime: settings.lookupLifetime,
            signer: InstanceSigner(secret: settings.secret),
            upstream: nova.settings,
            settings: settings.relay,
            forwardedForPolicy: settings.forwardedForPolicy,
            guestLimits: settings.guestLimits,
            answerCache: settings.answerCache,
            workers: settings.workers,
            access: log.accessLog
        )
        let listener = try UnixListener.open(
            path: settings.socketPath,
            permissions: settings.socketPermissions,
            backlog: settings.backlog
        )
        let desk = try SocketDoor.OpenDesk(settings, relay: core.relay)
        AgentLog.agent.info(
            "Listening",
            metadata: [
                "socket": "\(settings.socketPath)", "workers": "\(settings.workers)",
                "directory": "\(directory.directory.name)", "nova": "\(settings.backend)",
            ]
        )
        let reload = AgentReload(
            loader: loader,
            arguments: arguments,
            configuration: configuration,
            nova: nova,
            core: core,
            directory: directory,
            log: log
        )
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: services(
                    bus,
                    directory,
                    SocketDoor(core: core, drainGrace: settings.drainGrace, listener: listener, desk: desk),
                    settings
                ),
                logger: Logger(label: "neutron.service")
            )
        )
        let watcher = Task {
            for await signal in signals {
                switch signal {
                case .hangUp: await reload.reload()
                case .terminate, .interrupt, .finish: await group.triggerGracefulShutdown()
                }
            }
        }
        defer { watcher.cancel() }
        try await group.run()
    }

    /// In the order of their start; they stop in the opposite one.
    private static func services(
        _ bus: AgentBus?,
        _ directory: AgentDirectory,
        _ door: SocketDoor,
        _ settings: AgentSettings
    ) -> [ServiceGroupConfiguration.ServiceConfiguration] {
        var services: [ServiceGroupConfiguration.ServiceConfiguration] = []
        if let bus { services.append(.init(service: bus)) }
        services.append(.init(service: directory))
        services.append(.init(service: door, successTerminationBehavior: .gracefullyShutdownGroup))
        // After the socket: the server should not hear of an agent that serves nobody yet.
        if let reporter = bus?.reporter(settings) {
            services.append(.init(service: reporter, successTerminationBehavior: .ignore))
        }
        return services
    }
}
