import AsyncHTTPClient
import InstanceDirectory
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Requests to Keystone and Neutron: time limits, a bound on the answer, TLS as configured.
///
/// No redirects, which would carry credentials elsewhere, and no proxies from the environment. HTTP/1.1 over
/// kept connections. It runs one thread of its own, so create it only after the daemon has forked.
final class HTTPExchange: Sendable {
    enum Service: String, Sendable {
        case keystone = "Keystone"
        case neutron = "Neutron"
    }

    struct Reply: Sendable {
        var status: Int
        /// `X-Subject-Token`.
        var subjectToken: String?
        var body: Data
    }

    private let client: HTTPClient
    private let group: MultiThreadedEventLoopGroup
    private let requestTimeout: Duration
    private let isShutDown = Mutex(false)

    /// - Throws: `.misconfigured` if the CA file cannot be used.
    init(_ settings: RESTSettings) throws(DirectoryError) {
        var configuration = HTTPClient.Configuration()
        configuration.tlsConfiguration = try Self.tlsConfiguration(settings)
        configuration.redirectConfiguration = .disallow
        configuration.proxy = nil
        configuration.httpVersion = .http1Only
        configuration.timeout.connect = TimeAmount(settings.connectTimeout)
        configuration.connectionPool.idleTimeout = .seconds(60)
        // A refused connection is reported at once; the guest's request decides how long it is worth trying.
        configuration.connectionPool.retryConnectionEstablishment = false
        requestTimeout = settings.requestTimeout
        group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        client = HTTPClient(eventLoopGroupProvider: .shared(group), configuration: configuration)
    }

    deinit {
        guard !isShutDown.withLock({ $0 }) else { return }
        let (client, group) = (client, group)
        Task {
            try? await client.shutdown()
            try? await group.shutdownGracefully()
        }
    }

    /// Ends all connections and the thread. Requests that run fail.
    func shutdown() async {
        let isFirst = isShutDown.withLock { done in
            defer { done = true }
            return !done
        }
        guard isFirst else { return }
        try? await client.shutdown()
        try? await group.shutdownGracefully()
    }

    /// - Parameters:
    ///   - base: The address without path details, for messages.
    ///   - token: Sent as `X-Auth-Token`, even if empty (`noauth`).
    ///   - body: JSON, which makes it a POST.
    ///   - bytesMax: A longer answer is `.malformedReply`.
    func send(
        _ service: Service,
        _ url: String,
        base: ServiceURL,
        token: String? = nil,
        body: Data? = nil,
        bytesMax: Int
    ) async throws(DirectoryError) -> Reply {
        var request = HTTPClientRequest(url: url)
        request.headers.add(name: "Accept", value: "application/json")
        request.headers.add(name: "User-Agent", value: "bellhop")
        if let token { request.headers.add(name: "X-Auth-Token", value: token) }
        if let body {
            request.method = .POST
            request.headers.add(name: "Content-Type", value: "application/json")
            request.body = .bytes(ByteBuffer(bytes: body))
        }
        do {
            do {
                return try await exchange(request, bytesMax: bytesMax)
            } catch let error as HTTPClientError where error == .remoteConnectionClosed && body == nil {
                // The server closed a kept connection just as the request went out.
                return try await exchange(request, bytesMax: bytesMax)
            }
        } catch {
            throw DirectoryError(error, service: service, base: base, timeout: requestTimeout)
        }
    }

    /// The client's own deadline ends with the response head, so the time limit is a task beside it.
    private func exchange(_ request: HTTPClientRequest, bytesMax: Int) async throws -> Reply {
        try await withThrowingTaskGroup(of: Reply.self) { group in
            group.addTask {
                let response = try await self.client.execute(request, deadline: .distantFuture)
                var body = Data()
                for try await chunk in response.body {
                    guard chunk.readableBytes <= bytesMax - body.count else { throw ReplyTooLong(bytesMax: bytesMax) }
                    body.append(contentsOf: chunk.readableBytesView)
                }
                return Reply(
                    status: Int(response.status.code),
                    subjectToken: response.headers.first(name: "X-Subject-Token"),
                    body: body
                )
            }
            group.addTask {
                try await Task.sleep(for: self.requestTimeout)
                throw HTTPClientError.deadlineExceeded
            }
            defer { group.cancelAll() }
            guard let reply = try await group.next() else { throw CancellationError() }
            return reply
        }
    }

    struct ReplyTooLong: Error {
        var bytesMax: Int
    }

    private static func tlsConfiguration(_ settings: RESTSettings) throws(DirectoryError) -> TLSConfiguration {
        var tls = TLSConfiguration.makeClientConfiguration()
        if settings.insecure {
            tls.certificateVerification = .none
        } else if let path = settings.caFile {
            do {
                tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMFile(path))
            } catch {
                throw DirectoryError(.misconfigured, "auth_ca_cert \(path) holds no usable PEM certificates: \(error).")
            }
        }
        return tls
    }
}
