import InstanceDirectory
import Logging
import MetadataModel
import OsloMessaging

/// The directory that asks the Neutron server over the message bus (Kilo and later): `get_ports` on topic `q-plugin`.
///
/// A claim with a network costs one call, one with a router two. Keeps no answers.
public struct NeutronRPCDirectory: InstanceDirectory {
    public let name = "RPC"

    /// `neutron.common.topics.PLUGIN`.
    static let topic = "q-plugin"
    /// Without a reply for so long the question is put again. A busy server answers in a tenth of it.
    static let resendAfter = Duration.milliseconds(2_500)

    private let client: any RPCClient
    private let timeout: Duration
    private let logger: Logger

    /// - Parameter timeout: for one call. Keep it below the lookup's own.
    public init(client: any RPCClient, timeout: Duration, logger: Logger) {
        self.client = client
        self.timeout = timeout
        self.logger = logger
    }

    public func find(_ claim: Claim) async throws(DirectoryError) -> Finding {
        do {
            return try await ask(claim)
        } catch {
            throw DirectoryError(error)
        }
    }

    func ask(_ claim: Claim) async throws(MessagingError) -> Finding {
        // One request id for both questions, so that they are found together in the server's log.
        let context = RequestContext.agent()
        let networks: Set<ResourceID>
        switch claim.scope {
        case .network(let network): networks = [network]
        case .router(let router):
            networks = PortMatch.networks(
                of: router,
                in: try await ports(PortFilters.interfaces(of: router), context)
            )
            guard !networks.isEmpty else { return .nobody(.routerWithoutNetworks) }
        }
        let ports = try await ports(PortFilters.ports(of: claim.subject, in: networks), context)
        return PortMatch.finding(for: claim.subject, in: networks, ports: ports)
    }

    private func ports(
        _ filters: [String: JSONValue],
        _ context: [String: JSONValue]
    ) async throws(MessagingError) -> [PortRecord] {
        let result = try await client.call(
            RemoteMethod("get_ports", arguments: ["filters": .object(filters)]),
            topic: Self.topic,
            context: context,
            timeout: timeout,
            resendAfter: Self.resendAfter,
            isPatient: false
        )
        // A server without any port to show may say null.
        let ports = try result.decoded(as: [PortRecord].self) ?? []
        logger.debug("Ports by RPC", metadata: ["filters": "\(filters.keys.sorted())", "ports": "\(ports.count)"])
        return ports
    }
}

extension DirectoryError {
    /// A refused login counts as something that may pass: brokers refuse everybody while they start.
    init(_ error: MessagingError) {
        let code: Code =
            switch error.code {
            case .unreachable: .unreachable
            case .timeout: .timeout
            case .refused, .blocked, .rejected, .unroutable, .overloaded, .cancelled: .unavailable
            case .misconfigured, .noSuchMethod: .misconfigured
            case .remoteFailure: .remoteFailure
            case .malformedReply: .malformedReply
            }
        let advice = error.code == .noSuchMethod ? " Set auth_url and the admin_ options to use its REST API." : ""
        self.init(code, error.message + advice)
    }
}
