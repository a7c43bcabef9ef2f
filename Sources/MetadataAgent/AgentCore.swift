import InstanceDirectory
import Logging
import MetadataModel
import NovaBackend
import OsloLog
import RelayLoop
import RequestPath

/// The agent without its doors: directory, lookup, signature and relay loops, wired together once for the daemon
/// and for the standalone service.
public final class AgentCore: Sendable {
    public let relay: RelayService
    private let lookup: InstanceLookup
    private let resolver: DirectoryResolver
    private let answerCache: AnswerCache?

    /// Starts the relay loops; they wait for doors.
    ///
    /// - Parameters:
    ///   - lifetime: how long a found instance answers later requests.
    ///   - upstream: Nova's metadata API.
    /// - Throws: `LoopError` if the process may have no more descriptors or threads.
    public init(
        directory: any InstanceDirectory,
        lifetime: Duration,
        signer: InstanceSigner,
        upstream: UpstreamSettings,
        settings: RelaySettings,
        forwardedForPolicy: ForwardedForPolicy = .last,
        guestLimits: GuestLimits.Settings = GuestLimits.Settings(),
        answerCache: AnswerCache.Settings = AnswerCache.Settings(),
        workers: Int,
        access: AccessLogWriter
    ) throws(LoopError) {
        lookup = InstanceLookup(
            directory: directory,
            settings: InstanceLookup.Settings(positiveLifetime: lifetime),
            clock: ContinuousClock(),
            logger: AgentLog.agent
        )
        resolver = DirectoryResolver(lookup: lookup, signer: signer)
        var plan = RelayPlan(passage: .resolve(resolver), upstream: upstream, settings: settings)
        plan.forwardedForPolicy = forwardedForPolicy
        plan.guestLimits = GuestLimits(guestLimits)
        self.answerCache = AnswerCache(answerCache)
        plan.answerCache = self.answerCache
        relay = try RelayService(workers: workers, plan: plan) { _ in
            AgentObserver(logger: AgentLog.agent, access: access)
        }
    }

    /// Takes a changed secret, TLS setting or directory content into use; requests in flight are not disturbed.
    public func reload(signer: InstanceSigner, upstream: UpstreamSettings) {
        resolver.replace(signer: signer)
        lookup.removeAll()
        answerCache?.removeAll()
        relay.replace(upstream: upstream)
    }

    /// Forgets what was found: the directory's content has changed.
    public func forgetInstances() {
        lookup.removeAll()
        answerCache?.removeAll()
        relay.forgetInstances()
    }
}

/// The loggers of the agent, under the names that Neutron's Python modules have, so that an operator's filters match.
public enum AgentLog {
    public static var agent: Logger { Logger(label: "neutron.agent.metadata.agent") }
    public static var config: Logger { Logger(label: "neutron.common.config") }
}
