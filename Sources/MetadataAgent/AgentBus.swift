import Glibc
import Logging
import MetadataModel
import NeutronRPC
import OsloMessaging
import ServiceLifecycle

/// The connection to the message bus as a service: it ends last, after everything that uses it.
struct AgentBus: Service {
    let bus: MessageBus

    /// Nil if no message bus is configured.
    init?(_ settings: AgentSettings) throws(MessagingError) {
        guard let messaging = settings.messaging else { return nil }
        bus = try MessageBus(
            settings: messaging,
            connectionName: "\(AgentMain.program):\(getpid()):\(MessageID().hyphenated)",
            version: BellhopVersion.text,
            logger: Logger(label: "oslo.messaging._drivers.impl_rabbit")
        )
    }

    func run() async throws {
        try bus.start()
        try? await gracefulShutdown()
        await bus.shutdown()
    }

    /// Nil if no reports are wanted.
    func reporter(_ settings: AgentSettings) -> StateReporter? {
        guard let reports = settings.reports else { return nil }
        return StateReporter(
            client: bus,
            report: AgentReport(
                host: settings.host,
                socketPath: settings.socketPath,
                novaHost: reports.novaHost,
                novaPort: reports.novaPort,
                logsHeartbeats: reports.logsHeartbeats
            ),
            topic: reports.topic,
            interval: reports.interval,
            logger: AgentLog.agent
        )
    }
}
