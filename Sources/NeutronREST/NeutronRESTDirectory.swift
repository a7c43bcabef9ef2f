import InstanceDirectory
import Logging
import MetadataModel
import Synchronization

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The directory that asks Neutron's API, as the agents from Havana to Juno did and those of Kilo and Liberty
/// could: the only way with servers that lack the RPC method `get_ports`, and a fallback for the others.
///
/// A claim with a network costs one request, one with a router two, and more only where the server pages.
/// Keeps a token and connections, but no answers.
public final class NeutronRESTDirectory: InstanceDirectory {
    public let name = "REST"

    private let settings: RESTSettings
    private let exchange: HTTPExchange
    private let session: KeystoneSession
    private let logger: Logger
    private let hasWarnedAboutRole: Mutex<Bool>

    /// Opens no connection yet, but starts a thread: create it after forking.
    ///
    /// - Throws: `.misconfigured` if a URL or the CA file is unusable.
    public convenience init(
        settings: RESTSettings,
        clock: some Clock<Duration> = ContinuousClock(),
        logger: Logger
    ) throws(DirectoryError) {
        try self.init(
            settings: settings,
            clock: clock,
            secondsSince1970: { Int64(Date().timeIntervalSince1970) },
            logger: logger
        )
    }

    init(
        settings: RESTSettings,
        clock: some Clock<Duration>,
        secondsSince1970: @escaping @Sendable () -> Int64,
        logger: Logger
    ) throws(DirectoryError) {
        let start = clock.now
        // All that can throw comes before the first stored property: Swift 6.3's optimizer crashes on a `Mutex` that
        // an error leaves behind in a half-made object.
        let exchange = try HTTPExchange(settings)
        let session = try KeystoneSession(
            settings,
            exchange: exchange,
            now: { start.duration(to: clock.now) },
            secondsSince1970: secondsSince1970,
            logger: logger
        )
        self.settings = settings
        self.logger = logger
        self.exchange = exchange
        self.session = session
        hasWarnedAboutRole = Mutex(false)
    }

    /// Closes the connections. Questions that run, and later ones, fail.
    public func shutdown() async {
        await exchange.shutdown()
    }

    public func find(_ claim: Claim) async throws(DirectoryError) -> Finding {
        var bytesLeft = settings.responseBytesMax
        let networks: Set<ResourceID>
        switch claim.scope {
        case .network(let network):
            networks = [network]
        case .router(let router):
            let interfaces = try await ports(PortQuery.interfaces(of: router), &bytesLeft)
            networks = PortMatch.networks(of: router, in: interfaces)
            guard !networks.isEmpty else { return .nobody(.routerWithoutNetworks) }
        }
        let ports = try await ports(PortQuery.ports(of: claim.subject), &bytesLeft)
        logger.debug(
            "Ports with that address on all networks",
            metadata: ["claim": "\(claim)", "networks": "\(networks.count)", "ports": "\(ports.count)"]
        )
        return PortMatch.finding(for: claim.subject, in: networks, ports: ports)
    }

    /// All pages of one list.
    private func ports(_ firstQuery: String, _ bytesLeft: inout Int) async throws(DirectoryError) -> [PortRecord] {
        var pages = PortPages(firstQuery: firstQuery, pagesMax: settings.pagesMax)
        var ports: [PortRecord] = []
        var query: String? = firstQuery
        while let current = query {
            let (page, credential) = try await self.page(current, &bytesLeft)
            ports += page?.ports ?? []
            query = nil
            if let page { query = try pages.query(after: page) }
            if query == nil, ports.isEmpty { warnAboutRole(of: credential) }
        }
        return ports
    }

    /// One page; nil for an answer without content. A 401 is answered with one new login.
    private func page(
        _ query: String,
        _ bytesLeft: inout Int
    ) async throws(DirectoryError) -> (PortPage?, KeystoneSession.Credential) {
        var credential = try await session.credential()
        var reply = try await get(query, credential, bytesLeft)
        if reply.status == 401 {
            credential = try await session.credential(after: credential, refusal: failure(reply, credential))
            reply = try await get(query, credential, bytesLeft)
        }
        if reply.status == 401 {
            let refusal = failure(reply, credential)
            await session.distrust(credential, refusal)
            throw refusal
        }
        await session.accept(credential)
        switch reply.status {
        case 200, 201, 202: break
        case 204: return (nil, credential)
        default: throw failure(reply, credential)
        }
        bytesLeft -= reply.body.count
        do {
            return (try JSONDecoder().decode(PortPage.self, from: reply.body), credential)
        } catch {
            throw DirectoryError(
                .malformedReply,
                "Neutron at \(credential.endpoint) sent no list of ports. Check endpoint_url or the service catalog."
            )
        }
    }

    private func get(
        _ query: String,
        _ credential: KeystoneSession.Credential,
        _ bytesMax: Int
    ) async throws(DirectoryError) -> HTTPExchange.Reply {
        try await exchange.send(
            .neutron,
            // Catalogs name the endpoint with and without the version.
            credential.endpoint.ending(in: "v2.0").appending("/ports?\(query)"),
            base: credential.endpoint,
            token: credential.token,
            bytesMax: bytesMax
        )
    }

    private func failure(_ reply: HTTPExchange.Reply, _ credential: KeystoneSession.Credential) -> DirectoryError {
        DirectoryError(
            reply,
            service: .neutron,
            base: credential.endpoint,
            secrets: [credential.token, settings.password]
        )
    }

    /// Without the role Neutron shows the account's own ports only, which looks as if no guest had a port.
    private func warnAboutRole(of credential: KeystoneSession.Credential) {
        guard credential.hasAdminRole == false else { return }
        let isFirst = hasWarnedAboutRole.withLock { done in
            defer { done = true }
            return !done
        }
        guard isFirst else { return }
        logger.warning(
            "Neutron shows no port and the account lacks the admin role; give it that role",
            metadata: ["admin_user": "\(settings.user)", "admin_tenant_name": "\(settings.tenantName)"]
        )
    }
}
