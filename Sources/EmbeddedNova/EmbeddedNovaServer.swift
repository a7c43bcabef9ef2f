import Glibc
import Hummingbird
import Inventory
import Logging
import NIOCore
import NovaMetadata
import ServiceLifecycle

/// Serves an inventory's instances as nova-api-metadata does behind a metadata agent: the standalone mode's
/// backend, and a stand-in for Nova on 127.0.0.1:8775 in front of which any Neutron agent works.
///
/// Relies on Hummingbird for HTTP. Asks for the inventory at every request, so that a reload shows at once.
public struct EmbeddedNovaServer: Service {
    /// Where it listens.
    public enum Address: Hashable, Sendable {
        /// Port 0 lets the kernel choose.
        case tcp(host: String, port: Int)
        /// A stale socket file is replaced; the file is removed at the end.
        case unix(path: String)
    }

    /// Nova's own `metadata_listen_port`.
    public static let portDefault = 8775
    /// More wait in the backlog. The agent needs one connection per request in flight.
    public static let connectionsMax = 1024
    /// Longer than agents keep an unused connection, so that they close first and no request is lost.
    private static let idleSecondsMax: Int64 = 75
    private static let headerFieldBytesMax = 16 << 10
    private static let headerBytesMax = 64 << 10

    private let address: Address
    private let responder: NovaResponder
    private let logger: Logger
    private let onListening: @Sendable (_ port: Int?) async -> Void

    /// - Parameters:
    ///   - secret: `metadata_proxy_shared_secret`, which may be empty.
    ///   - inventory: the current one, asked for once per request.
    ///   - secondsSince1970: the time, by which versions of the future are hidden.
    ///   - onListening: is told the TCP port (nil for a UNIX socket) once connections are accepted.
    public init(
        address: Address,
        secret: String,
        inventory: @escaping @Sendable () -> Inventory,
        passwords: any PasswordStore = InMemoryPasswordStore(),
        secondsSince1970: @escaping @Sendable () -> Int = { Int(time(nil)) },
        logger: Logger,
        onListening: @escaping @Sendable (_ port: Int?) async -> Void = { _ in }
    ) {
        self.address = address
        self.logger = logger
        self.onListening = onListening
        responder = NovaResponder(
            gate: NovaGate(secret: secret),
            inventory: inventory,
            passwords: passwords,
            secondsSince1970: secondsSince1970,
            logger: logger
        )
    }

    /// Serves until graceful shutdown or cancellation.
    ///
    /// - Throws: `ListenError` if the address cannot be listened to.
    public func run() async throws {
        let application = Application(
            responder: responder,
            server: .http1(
                configuration: .init(
                    idleTimeout: .seconds(Self.idleSecondsMax),
                    httpDecoderConfiguration: .init(
                        maxHeaderFieldSize: Self.headerFieldBytesMax,
                        maxHeaderListSize: Self.headerBytesMax
                    )
                )
            ),
            configuration: .init(
                address: bindAddress,
                availableConnectionsDelegate: .maximum(Self.connectionsMax, logger: logger)
            ),
            onServerRunning: { await onListening($0.localAddress?.port) },
            logger: logger
        )
        defer {
            if case .unix(let path) = address { unlink(path) }
        }
        do {
            try await application.run()
        } catch let error as IOError {
            throw ListenError(address: description, code: error.errnoCode)
        }
    }

    /// The address cannot be listened to.
    public struct ListenError: Error, CustomStringConvertible {
        public let address: String
        public let code: CInt

        public var description: String {
            "The \(address) cannot start: \(String(cString: strerror(code))). Choose another address or stop who has it."
        }
    }

    private var bindAddress: BindAddress {
        switch address {
        case .tcp(let host, let port): .hostname(host, port: port)
        case .unix(let path): .unixDomainSocket(path: path)
        }
    }
}

extension EmbeddedNovaServer: CustomStringConvertible {
    /// For the life cycle's log lines, which would otherwise print every property.
    public var description: String {
        switch address {
        case .tcp(let host, let port): "embedded Nova on \(host) port \(port)"
        case .unix(let path): "embedded Nova on \(path)"
        }
    }
}
