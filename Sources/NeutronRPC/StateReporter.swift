import Logging
import OsloMessaging
import ServiceLifecycle

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Tells the Neutron server every so often that the agent is alive.
///
/// The first report is a call and says that the agent has started; it is repeated until one succeeds. All later
/// ones are casts (Neutron's rule since Juno). It shares the connection with the lookups and waits for none of them.
public struct StateReporter: Service {
    /// Where the server takes reports (`[bellhop] report_topic`).
    public enum Topic: Sendable {
        /// The first that answers of the two below.
        case automatic
        case fixed(String)

        /// Mitaka and later, and Havana to Liberty. A topic without a listener is silent, or unroutable.
        static let candidates = ["q-reports-plugin", "q-plugin"]
    }

    private let client: any RPCClient
    private let report: AgentReport
    private let topic: Topic
    private let interval: Duration
    private let logger: Logger
    private let now: @Sendable () -> Duration
    private let sleep: @Sendable (Duration) async throws -> Void

    /// - Parameter interval: from one report to the next, more than zero.
    public init(
        client: any RPCClient,
        report: AgentReport,
        topic: Topic,
        interval: Duration,
        clock: some Clock<Duration> = ContinuousClock(),
        logger: Logger
    ) {
        let start = clock.now
        self.client = client
        self.report = report
        self.topic = topic
        self.interval = interval
        self.logger = logger
        now = { start.duration(to: clock.now) }
        sleep = { try await clock.sleep(for: $0) }
    }

    /// Reports until the service group shuts down.
    public func run() async throws {
        await cancelWhenGracefulShutdown { await reportForEver() }
    }

    private struct Progress {
        var isFirst = true
        var hasFailed = false
        var candidate = 0
    }

    func reportForEver() async {
        var progress = Progress()
        while !Task.isCancelled {
            let due = now() + interval
            do throws(MessagingError) {
                try await send(&progress)
                succeeded(&progress)
            } catch {
                if Task.isCancelled { return }
                if error.code == .noSuchMethod {
                    logger.warning(
                        """
                        Neutron server does not support state report. State report for this agent will be disabled.
                        """
                    )
                    return
                }
                progress.hasFailed = true
                logger.error("Failed reporting state!", metadata: ["reason": "\(error)"])
            }
            let wait = due - now()
            if wait > .zero { try? await sleep(wait) }
        }
    }

    private func succeeded(_ progress: inout Progress) {
        if progress.hasFailed {
            logger.info("Successfully reported state after a previous failure.")
        } else if progress.isFirst {
            logger.info("Reporting state to the Neutron server", metadata: ["interval": "\(interval)"])
        }
        progress.isFirst = false
        progress.hasFailed = false
    }

    private func send(_ progress: inout Progress) async throws(MessagingError) {
        guard progress.isFirst else { return try await cast(to: topicName(progress)) }
        do {
            try await call(topicName(progress))
        } catch {
            guard case .automatic = topic, error.code == .unroutable || error.code == .timeout else { throw error }
            progress.candidate = (progress.candidate + 1) % Topic.candidates.count
            // After a timeout the other topic's turn comes with the next report, which is due by now.
            guard error.code == .unroutable else { throw error }
            try await call(topicName(progress))
        }
    }

    private func topicName(_ progress: Progress) -> String {
        switch topic {
        case .automatic: Topic.candidates[progress.candidate]
        case .fixed(let name): name
        }
    }

    private func call(_ topic: String) async throws(MessagingError) {
        _ = try await client.call(
            report.method(isFirst: true, at: Date()),
            topic: topic,
            context: RequestContext.agent(),
            timeout: interval,
            resendAfter: nil,
            isPatient: true
        )
    }

    private func cast(to topic: String) async throws(MessagingError) {
        try await client.cast(
            report.method(isFirst: false, at: Date()),
            topic: topic,
            context: RequestContext.agent(),
            timeout: interval
        )
    }
}
