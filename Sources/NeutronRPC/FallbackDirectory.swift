import InstanceDirectory
import Logging
import MetadataModel
import OsloMessaging
import Synchronization

/// RPC with the REST API behind it, as the agents of Kilo and Liberty had it.
///
/// A server that does not know `get_ports` (Juno) is asked by REST from then on. When the bus is away or silent, REST
/// serves this lookup and those of the next seconds, and then RPC is tried again. Kilo's agent stayed with REST for
/// ever after one timeout.
public final class FallbackDirectory: InstanceDirectory {
    public let name = "RPC"

    /// How long RPC may take before REST is asked: both together must fit into what a guest waits.
    public static let rpcTimeout = Duration.seconds(3)
    /// How long RPC is left alone after it failed.
    static let rest = Duration.seconds(10)

    private enum Standing {
        case rpc
        /// RPC failed lately, and is tried again at that time.
        case resting(until: Duration)
        /// The server cannot do it.
        case restOnly
    }

    private let rpc: NeutronRPCDirectory
    private let rest: any InstanceDirectory
    private let logger: Logger
    private let now: @Sendable () -> Duration
    private let standing = Mutex(Standing.rpc)

    public init(
        rpc: NeutronRPCDirectory,
        rest: any InstanceDirectory,
        clock: some Clock<Duration> = ContinuousClock(),
        logger: Logger
    ) {
        let start = clock.now
        self.rpc = rpc
        self.rest = rest
        self.logger = logger
        now = { start.duration(to: clock.now) }
    }

    public func find(_ claim: Claim) async throws(DirectoryError) -> Finding {
        switch standing.withLock({ $0 }) {
        case .restOnly: return try await rest.find(claim)
        case .resting(let until) where now() < until: return try await rest.find(claim)
        case .rpc, .resting: break
        }
        let failure: MessagingError
        do throws(MessagingError) {
            let finding = try await rpc.ask(claim)
            if move(to: .rpc) { logger.info("Lookups use the message bus again") }
            return finding
        } catch {
            failure = error
        }
        guard Self.isReasonForREST(failure) else { throw DirectoryError(failure) }
        if failure.code == .noSuchMethod {
            if move(to: .restOnly) {
                logger.warning("Server does not support metadata RPC, fallback to using neutron client")
            }
        } else if move(to: .resting(until: now() + Self.rest)) {
            logger.warning("Lookups use Neutron's REST API for now", metadata: ["reason": "\(failure)"])
        }
        do {
            return try await rest.find(claim)
        } catch {
            // What can be waited for decides: the bus may be back before the API's credentials are corrected.
            let first = DirectoryError(failure)
            throw DirectoryError(
                error.waitingCanHelp || !first.waitingCanHelp ? error.code : first.code,
                "\(first.message) \(error.message)"
            )
        }
    }

    private static func isReasonForREST(_ error: MessagingError) -> Bool {
        switch error.code {
        case .noSuchMethod, .timeout, .unreachable, .refused, .blocked, .unroutable, .overloaded: true
        // The server answered, and REST would ask the same server; or nobody waits any more.
        case .remoteFailure, .malformedReply, .misconfigured, .cancelled: false
        }
    }

    /// - Returns: whether the kind of standing is a new one, so that it is worth a log line.
    private func move(to new: Standing) -> Bool {
        standing.withLock { old in
            switch (old, new) {
            // Lookups that began earlier end later; a server that lacks the method will not get it.
            case (.restOnly, _): return false
            case (.rpc, .rpc): return false
            case (.resting, .resting):
                old = new
                return false
            default:
                old = new
                return true
            }
        }
    }
}
