import InstanceDirectory
import Logging
import MetadataModel
import OsloMessaging
import Synchronization

/// RPC with the REST API behind it, as the agents of Kilo and Liberty had it.
///
/// A server that does not know `get_ports` (Juno) is asked by REST from then on. When the bus is away or silent, REST
/// serves the lookup, and if it can, it is also asked first for the next seconds: over a silent bus every one of a
/// booting guest's thirty requests would otherwise wait for `rpcTimeout` before it is served. Whatever comes first, the
/// other one is asked if it fails, so that neither an API that nobody can use nor one that is away itself keeps a guest
/// from a bus that is back. Kilo's agent stayed with REST for ever after one timeout.
public final class FallbackDirectory: InstanceDirectory {
    public let name = "RPC"

    /// How long RPC may take before REST is asked: both together must fit into what a guest waits.
    public static let rpcTimeout = Duration.seconds(3)
    /// How long REST comes first after it has stood in for RPC.
    static let rest = Duration.seconds(10)

    private enum Standing {
        case rpc
        /// REST stood in for RPC lately, and comes first until that time.
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
        case .resting(let until) where now() < until: return try await findByRESTFirst(claim)
        case .rpc, .resting: return try await findByRPCFirst(claim)
        }
    }

    private func findByRPCFirst(_ claim: Claim) async throws(DirectoryError) -> Finding {
        let failure: MessagingError
        do throws(MessagingError) {
            return try await findByRPC(claim)
        } catch {
            failure = error
        }
        guard Self.isReasonForREST(failure) else { throw DirectoryError(failure) }
        let finding: Finding
        do throws(DirectoryError) {
            finding = try await rest.find(claim)
        } catch {
            throw Self.both(failure, error)
        }
        if failure.code != .noSuchMethod, move(to: .resting(until: now() + Self.rest)) {
            logger.warning("Lookups use Neutron's REST API for now", metadata: ["reason": "\(failure)"])
        }
        return finding
    }

    private func findByRESTFirst(_ claim: Claim) async throws(DirectoryError) -> Finding {
        let failure: DirectoryError
        do throws(DirectoryError) {
            return try await rest.find(claim)
        } catch {
            failure = error
        }
        do throws(MessagingError) {
            return try await findByRPC(claim)
        } catch {
            throw Self.both(error, failure)
        }
    }

    private func findByRPC(_ claim: Claim) async throws(MessagingError) -> Finding {
        do throws(MessagingError) {
            let finding = try await rpc.ask(claim)
            if move(to: .rpc) { logger.info("Lookups use the message bus again") }
            return finding
        } catch {
            if error.code == .noSuchMethod, move(to: .restOnly) {
                logger.warning("Server does not support metadata RPC, fallback to using neutron client")
            }
            throw error
        }
    }

    /// What can be waited for decides: the bus may be back before the API's credentials are corrected.
    private static func both(_ bus: MessagingError, _ api: DirectoryError) -> DirectoryError {
        let first = DirectoryError(bus)
        return DirectoryError(
            api.waitingCanHelp || !first.waitingCanHelp ? api.code : first.code,
            "\(bus.message) \(api.message)"
        )
    }

    private static func isReasonForREST(_ error: MessagingError) -> Bool {
        switch error.code {
        case .noSuchMethod, .timeout, .unreachable, .refused, .blocked, .rejected, .unroutable, .overloaded: true
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
