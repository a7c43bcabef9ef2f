import CRabbitMQ
import Glibc

/// Opens connections with librabbitmq: TCP, TLS, login, exchange and reply queue.
struct RabbitConnector: BrokerConnector {
    let settings: MessagingSettings
    let connectionName: String
    let version: String

    func connect(
        to broker: MessagingSettings.Broker,
        wanting wanted: BrokerObjects
    ) throws(LinkError) -> any BrokerLink {
        let connection = try RabbitConnection()
        do {
            try open(connection, to: broker)
            try RabbitLogin(
                settings: settings,
                broker: broker,
                connectionName: connectionName,
                version: version
            ).run(on: connection)
            let objects = try RabbitTopology(settings: settings).declare(wanted, on: connection)
            return RabbitLink(connection, objects, settings)
        } catch {
            connection.destroy()
            throw error
        }
    }

    private func open(_ connection: RabbitConnection, to broker: MessagingSettings.Broker) throws(LinkError) {
        let socket = settings.tls == nil ? amqp_tcp_socket_new(connection.state) : amqp_ssl_socket_new(connection.state)
        guard let socket else { throw LinkError("out of memory") }
        if let tls = settings.tls { try prepare(socket, tls, broker.host) }
        var timeout = settings.connectTimeout.timeValue
        let status = amqp_socket_open_noblock(socket, broker.host, CInt(broker.port), &timeout)
        guard status == AMQP_STATUS_OK.rawValue else {
            throw LinkError(Self.hint(status, isSecure: settings.tls != nil))
        }
        limitSilence(of: amqp_get_sockfd(connection.state))
    }

    private func prepare(_ socket: OpaquePointer, _ tls: MessagingSettings.TLS, _ host: String) throws(LinkError) {
        let oldest =
            switch tls.oldestVersion {
            case .tls10: AMQP_TLSv1
            case .tls11: AMQP_TLSv1_1
            case .tls12: AMQP_TLSv1_2
            }
        amqp_ssl_socket_set_ssl_versions(socket, oldest, AMQP_TLSvLATEST)
        amqp_ssl_socket_set_verify_peer(socket, tls.authorities == nil ? 0 : 1)
        let verifiesHost = tls.authorities != nil && tls.verifiesHostName
        let isVerified = verifiesHost && Self.requireAddress(host, on: socket)
        amqp_ssl_socket_set_verify_hostname(socket, verifiesHost && !isVerified ? 1 : 0)
        if let authorities = tls.authorities {
            guard amqp_ssl_socket_set_cacert(socket, authorities) == AMQP_STATUS_OK.rawValue else {
                throw LinkError("ssl_ca_file \(authorities) cannot be read as PEM certificates")
            }
        }
        if let certificate = tls.certificate {
            let key = tls.key ?? certificate
            guard amqp_ssl_socket_set_key(socket, certificate, key) == AMQP_STATUS_OK.rawValue else {
                throw LinkError(
                    "ssl_cert_file \(certificate) and ssl_key_file \(key) cannot be read as a PEM certificate"
                        + " and its key"
                )
            }
        }
    }

    /// Makes the certificate need the broker's address. The library compares names only, so a certificate that is
    /// right for an address would be refused; OpenSSL checks addresses together with the rest of the certificate.
    ///
    /// - Returns: false, having done nothing, if `host` is a name.
    private static func requireAddress(_ host: String, on socket: OpaquePointer) -> Bool {
        crabbitmq_require_address(socket, host) == 1
    }

    /// Makes the kernel give up on a broker that vanished without a word, even in the middle of a write.
    private func limitSilence(of descriptor: CInt) {
        guard settings.heartbeatTimeout > .zero else { return }
        var milliseconds = CUnsignedInt(settings.heartbeatTimeout.pollMilliseconds)
        let size = socklen_t(MemoryLayout<CUnsignedInt>.size)
        setsockopt(descriptor, CInt(IPPROTO_TCP), TCP_USER_TIMEOUT, &milliseconds, size)
    }

    private static func hint(_ status: CInt, isSecure: Bool) -> String {
        let text = RabbitConnection.reason(status)
        switch amqp_status_enum(rawValue: status) {
        case AMQP_STATUS_SOCKET_ERROR, AMQP_STATUS_TCP_ERROR:
            let code = errno
            return code == 0 ? text : String(cString: strerror(code))
        case AMQP_STATUS_TIMEOUT: return "no connection in time"
        case AMQP_STATUS_SSL_PEER_VERIFY_FAILED:
            return
                "\(text); ssl_ca_file does not hold the authority of its certificate, or the certificate has expired,"
                + " or it is for another address (ssl_enforce_hostname_verification)"
        case AMQP_STATUS_SSL_HOSTNAME_VERIFY_FAILED:
            return "\(text); its certificate is for another name (ssl_enforce_hostname_verification)"
        case AMQP_STATUS_SSL_CONNECTION_FAILED, AMQP_STATUS_SSL_ERROR:
            return "\(text); check that the port speaks TLS, and the certificates of both sides"
        default: return text
        }
    }
}

extension Duration {
    var timeValue: timeval {
        let (seconds, attoseconds) = components
        return timeval(tv_sec: Int(seconds), tv_usec: Int(attoseconds / 1_000_000_000_000))
    }
}
