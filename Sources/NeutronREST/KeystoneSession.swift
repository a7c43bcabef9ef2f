import InstanceDirectory
import Logging

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The one login of this process: a token and Neutron's address, kept until they wear out.
///
/// Losing the token between requests once cost a Keystone login for every guest request (LP 1274487,
/// LP 1365352). Whoever needs a login while one runs waits for that one.
actor KeystoneSession {
    struct Credential: Sendable, CustomStringConvertible {
        /// Tells one login's credential from the next.
        var number: UInt64
        var token: String
        var endpoint: ServiceURL
        /// Nil if unknown.
        var hasAdminRole: Bool?

        /// Never the token.
        var description: String { "credential \(number) for \(endpoint)" }
    }

    private struct Session {
        var credential: Credential
        /// Whether Neutron has taken the token.
        var isAccepted = false
        var renewAt: Duration?
        var expiresAt: Duration?
    }

    /// keystoneauth, too, logs in again when less than this is left.
    static let renewalMargin: Duration = .seconds(120)
    /// A token with a large catalog takes some hundred kilobytes.
    static let responseBytesMax = 16 * 1_024 * 1_024

    private let settings: RESTSettings
    private let authURL: ServiceURL
    private let endpointURL: ServiceURL?
    private let exchange: HTTPExchange
    private let now: @Sendable () -> Duration
    private let secondsSince1970: @Sendable () -> Int64
    private let logger: Logger

    private var session: Session?
    private var running: Task<Result<Credential, DirectoryError>, Never>?
    private var backoff = LoginBackoff()
    private var loginCount: UInt64 = 0
    private var discovered: KeystoneVersion?
    private var hasReportedFallback = false

    /// - Throws: `.misconfigured`.
    init(
        _ settings: RESTSettings,
        exchange: HTTPExchange,
        now: @escaping @Sendable () -> Duration,
        secondsSince1970: @escaping @Sendable () -> Int64,
        logger: Logger
    ) throws(DirectoryError) {
        self.settings = settings
        self.exchange = exchange
        self.now = now
        self.secondsSince1970 = secondsSince1970
        self.logger = logger
        var endpointURL: ServiceURL?
        if let text = settings.endpointURL { endpointURL = try ServiceURL(text, from: "endpoint_url") }
        self.endpointURL = endpointURL
        switch settings.strategy {
        case .keystone:
            authURL = try ServiceURL(settings.authURL, from: "auth_url")
        case .noauth:
            guard let endpointURL else {
                throw DirectoryError(.misconfigured, "auth_strategy = noauth needs endpoint_url. Set it.")
            }
            authURL = endpointURL
            session = Session(credential: Credential(number: 0, token: "", endpoint: endpointURL))
        }
    }

    /// The current token, after a login if there is none or it expires soon.
    func credential() async throws(DirectoryError) -> Credential {
        if let session, session.renewAt.map({ now() < $0 }) ?? true { return session.credential }
        do {
            return try await login()
        } catch {
            // Early renewal failed, but what there is still works.
            if let session, let expiresAt = session.expiresAt, now() < expiresAt { return session.credential }
            throw error
        }
    }

    /// The credential to try after Neutron answered 401 to `refused`: a newer one, with the endpoint read anew.
    ///
    /// - Throws: `refusal` if another login would only repeat the failure.
    func credential(after refused: Credential, refusal: DirectoryError) async throws(DirectoryError) -> Credential {
        if settings.strategy == .noauth { throw refusal }
        if let current = session?.credential, current.number != refused.number { return current }
        if backoff.refusals > 0 {
            // This token is the fruit of a login after a refusal and is refused again.
            distrust(refused, refusal)
            throw refusal
        }
        session = nil
        return try await login()
    }

    /// Neutron took the token. Only the first time ends the back-off: a token may still be good while its
    /// renewal fails.
    func accept(_ credential: Credential) {
        guard let session, session.credential.number == credential.number, !session.isAccepted else { return }
        self.session?.isAccepted = true
        backoff.accepted()
    }

    /// Neutron refused even a new token: the next login has to wait.
    func distrust(_ credential: Credential, _ refusal: DirectoryError) {
        guard settings.strategy != .noauth, session?.credential.number == credential.number else { return }
        session = nil
        backoff.failed(refusal, now: now())
    }

    private func login() async throws(DirectoryError) -> Credential {
        if let running { return try await running.value.get() }
        if let refusal = backoff.refusal(now: now()) { throw refusal }
        let task = Task { await self.performLogin() }
        running = task
        return try await task.value.get()
    }

    private func performLogin() async -> Result<Credential, DirectoryError> {
        defer { running = nil }
        do throws(DirectoryError) {
            let credential = try await requestToken()
            return .success(credential)
        } catch {
            discovered = nil
            backoff.failed(error, now: now())
            return .failure(error)
        }
    }

    private func requestToken() async throws(DirectoryError) -> Credential {
        let version = try await version()
        let body: Data
        do {
            body = try KeystoneLogin.body(version, settings)
        } catch {
            throw DirectoryError(.misconfigured, "The admin_* options cannot be sent to Keystone. Correct them.")
        }
        let askedAt = now()
        let reply = try await exchange.send(
            .keystone,
            version.tokensURL(at: authURL),
            base: authURL,
            body: body,
            bytesMax: Self.responseBytesMax
        )
        // v2.0 knows no other success than 200; v3 says 201.
        guard reply.status == 200 || version == .v3 && (200..<300).contains(reply.status) else {
            throw DirectoryError(reply, service: .keystone, base: authURL, secrets: [settings.password])
        }
        let grant: KeystoneGrant
        do {
            grant = try KeystoneGrant(
                version,
                body: reply.body,
                subjectToken: reply.subjectToken,
                secondsSince1970: secondsSince1970()
            )
        } catch {
            throw DirectoryError(
                .malformedReply,
                "Keystone at \(authURL) granted no usable \(version.rawValue) token. Check auth_url and auth_version."
            )
        }
        return keep(grant, endpoint: try endpoint(in: grant.catalog), askedAt: askedAt, version: version)
    }

    private func keep(
        _ grant: KeystoneGrant,
        endpoint: ServiceURL,
        askedAt: Duration,
        version: KeystoneVersion
    ) -> Credential {
        loginCount += 1
        let credential = Credential(
            number: loginCount,
            token: grant.token,
            endpoint: endpoint,
            hasAdminRole: grant.hasAdminRole
        )
        session = Session(
            credential: credential,
            // A token that lives less than two margins is renewed half-way, or every request would log in.
            renewAt: grant.lifetime.map { askedAt + max($0 - Self.renewalMargin, $0 / 2) },
            expiresAt: grant.lifetime.map { askedAt + $0 }
        )
        logger.info(
            "Logged in to Keystone",
            metadata: [
                "auth_url": "\(authURL)", "version": "\(version.rawValue)", "endpoint": "\(endpoint)",
                "lifetime": "\(grant.lifetime.map { "\($0)" } ?? "unknown")",
            ]
        )
        return credential
    }

    private func endpoint(in catalog: ServiceCatalog) throws(DirectoryError) -> ServiceURL {
        if let endpointURL { return endpointURL }
        let choice = try catalog.endpoint(settings.endpointType, region: settings.region)
        if choice.type != settings.endpointType, !hasReportedFallback {
            hasReportedFallback = true
            logger.warning(
                "The service catalog lacks the configured kind of endpoint; using another",
                metadata: ["endpoint_type": "\(settings.endpointType.rawValue)", "used": "\(choice.type.rawValue)"]
            )
        }
        return try ServiceURL(choice.url, from: "Neutron's \(choice.type.rawValue) in the service catalog")
    }

    private func version() async throws(DirectoryError) -> KeystoneVersion {
        switch settings.authVersion {
        case .v2: return .v2
        case .v3: return .v3
        case .auto: break
        }
        if let version = KeystoneVersion(namedIn: authURL) ?? discovered { return version }
        let reply = try await exchange.send(
            .keystone,
            authURL.appending("/"),
            base: authURL,
            bytesMax: Self.responseBytesMax
        )
        // Keystone's root answers 300 Multiple Choices.
        guard (200..<300).contains(reply.status) || reply.status == 300 else {
            throw DirectoryError(reply, service: .keystone, base: authURL, secrets: [settings.password])
        }
        guard let version = KeystoneVersion(bestIn: reply.body) else {
            throw DirectoryError(
                .malformedReply,
                "Keystone at \(authURL) does not tell its versions. Set auth_version to 3 or 2.0."
            )
        }
        discovered = version
        return version
    }
}
