import COpenSSL
import Glibc
public import RelayLoop
import Synchronization

/// Makes TLS client connections to one endpoint, all with the same settings.
///
/// Files are read once, in `init`; a changed certificate takes effect with a new factory (the agent makes one
/// on SIGHUP), while connections of the old one live on. TLS 1.2 is the least accepted.
public final class OpenSSLChannelFactory: SecureChannelFactory {
    /// Sendable although it holds a pointer: the `SSL_CTX` is configured completely before `init` returns and
    /// never changed afterwards. All that threads do with it is `SSL_new`, which OpenSSL makes thread-safe by
    /// an atomic reference count and its own locks (openssl-threads(7)).
    private struct Context: @unchecked Sendable {
        let pointer: OpaquePointer
    }

    private let context: Context
    private let endpoint: BackendEndpoint
    private let options: TLSOptions
    /// For SNI; nil for an IP address, where RFC 6066 forbids it.
    private let serverName: String?
    /// The newest session that can be resumed. It carries the result of the certificate check, which is why
    /// it never leaves the factory whose settings made that check.
    private let session = Mutex<TLSSession?>(nil)

    /// - Throws: `TLSConfigurationError`, naming the option and the file.
    public init(endpoint: BackendEndpoint, options: TLSOptions) throws(TLSConfigurationError) {
        OpenSSLErrorQueue.clear()
        guard let context = SSL_CTX_new(TLS_client_method()) else {
            throw Self.libraryError()
        }
        do throws(TLSConfigurationError) {
            try TLSContextSettings(context: context, endpoint: endpoint, options: options).apply()
        } catch {
            SSL_CTX_free(context)
            throw error
        }
        self.context = Context(pointer: context)
        self.endpoint = endpoint
        self.options = options
        if case .name(let name, _) = endpoint.host { serverName = name } else { serverName = nil }
    }

    deinit {
        SSL_CTX_free(context.pointer)
    }

    static func libraryError() -> TLSConfigurationError {
        let reason = OpenSSLErrorQueue.take()?.text ?? "it gives no reason"
        return TLSConfigurationError(.library, reason: "OpenSSL does not start: \(reason)")
    }

    public func makeChannel(descriptor: CInt) -> (any SecureChannel)? {
        openChannel(descriptor: descriptor)
    }

    /// `makeChannel` with the concrete type, whose `failureSentence` explains failures after the handshake.
    public func openChannel(descriptor: CInt) -> OpenSSLChannel? {
        OpenSSLErrorQueue.clear()
        guard let connection = SSL_new(context.pointer) else { return nil }
        let socket = SocketBIO(descriptor: descriptor)
        guard let bio = socket.makeBIO() else {
            SSL_free(connection)
            return nil
        }
        SSL_set_bio(connection, bio, bio)
        SSL_set_connect_state(connection)
        if let serverName, cnova_set_server_name(connection, serverName) != 1 {
            SSL_free(connection)
            return nil
        }
        session.withLock { $0 }?.resume(on: connection)
        return OpenSSLChannel(connection: connection, socket: socket, factory: self)
    }

    // MARK: - For the channels

    func fault(_ cause: TLSFault.Cause) -> TLSFault {
        TLSFault(
            cause: cause,
            endpoint: endpoint,
            authorities: options.isInsecure ? nil : options.authorities
        )
    }

    /// Keeps the session of a connection that worked, for the next one.
    func keepSession(of connection: OpaquePointer) {
        guard options.reusesSessions, let newest = TLSSession(of: connection) else { return }
        session.withLock { $0 = newest }
    }
}
