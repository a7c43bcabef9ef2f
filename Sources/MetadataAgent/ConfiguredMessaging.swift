import Glibc
import OsloConfig
import OsloMessaging

/// The message bus, as the options describe it.
struct ConfiguredMessaging {
    let settings: MessagingSettings
    /// Whether any option names a broker. Otherwise the settings are oslo.messaging's defaults: a broker on this host.
    let isConfigured: Bool
    /// What an operator may not have meant.
    let warnings: [String]

    private static let group = RabbitOptions.group
    /// Those that name a broker where there is no `transport_url` (up to Rocky).
    private static let brokerOptions = [
        "rabbit_host", "rabbit_port", "rabbit_hosts", "rabbit_userid", "rabbit_password", "rabbit_virtual_host",
    ]

    /// - Throws: `AgentSettingsError` where values do not fit together.
    init(_ plain: Configuration) throws(AgentSettingsError) {
        let text = plain.string("transport_url") ?? ""
        let url: TransportURL?
        do {
            url = text.isEmpty ? nil : try TransportURL(text)
        } catch {
            throw AgentSettingsError(error.message)
        }
        let configuration = try Self.applying(url, to: plain)
        let options = RabbitReader(configuration: configuration)

        let urlHosts = url?.hosts ?? []
        var settings = MessagingSettings(brokers: urlHosts.isEmpty ? try options.brokers : urlHosts.map(Broker.init))
        settings.virtualHost =
            urlHosts.isEmpty
            ? url?.virtualHost ?? options.string("rabbit_virtual_host", "/") : url?.virtualHost ?? "/"
        settings.mechanism = try options.mechanism
        settings.tls = try options.tls
        if settings.mechanism == .external, settings.tls?.certificate == nil {
            throw AgentSettingsError("rabbit_login_method = EXTERNAL needs ssl = true, ssl_cert_file and ssl_key_file.")
        }
        settings.exchange = configuration.string("control_exchange") ?? "neutron"
        settings.isExchangeDurable =
            options.flag("amqp_durable_queues", false) || options.flag("rabbit_quorum_queue", false)
        settings.isExchangeAutoDeleted = options.flag("amqp_auto_delete", false)
        settings.replyQueue = try options.replyQueue
        settings.prefetchCount = options.number("rabbit_qos_prefetch_count", 0)
        settings.heartbeatTimeout = .seconds(options.number("heartbeat_timeout_threshold", 60))
        settings.heartbeatRate = options.number("heartbeat_rate", 3)
        settings.retry = options.retry
        self.settings = settings

        isConfigured =
            url != nil || Self.brokerOptions.contains { configuration.isSet($0, group: Self.group) }
        let without = urlHosts.filter { $0.user == nil }
        warnings =
            without.isEmpty || without.count == urlHosts.count
            ? []
            : [
                "Some hosts of transport_url have no user and password of their own and get guest: "
                    + without.map(\.name).joined(separator: ", ")
            ]
    }

    private typealias Broker = MessagingSettings.Broker

    /// Query parameters of the URL win over the files (Rocky).
    private static func applying(
        _ url: TransportURL?,
        to configuration: Configuration
    ) throws(AgentSettingsError) -> Configuration {
        var configuration = configuration
        for parameter in url?.parameters ?? [] {
            do {
                configuration = try configuration.setting(
                    parameter.name,
                    group: group,
                    to: parameter.value,
                    from: "transport_url"
                )
            } catch {
                throw AgentSettingsError("In the query of transport_url, \(error).")
            }
        }
        return configuration
    }
}

extension MessagingSettings.Broker {
    init(_ host: TransportURL.Host) {
        self.init(host: host.name, port: host.port ?? 5_672)
        if let user = host.user {
            self.user = user
            password = host.password ?? ""
        }
    }
}

/// `[oslo_messaging_rabbit]`, read as what the bus wants.
private struct RabbitReader {
    let configuration: Configuration

    func string(_ name: String, _ fallback: String) -> String {
        configuration.string(name, group: RabbitOptions.group) ?? fallback
    }

    func number(_ name: String, _ fallback: Int) -> Int {
        configuration.integer(name, group: RabbitOptions.group) ?? fallback
    }

    func flag(_ name: String, _ fallback: Bool) -> Bool {
        configuration.boolean(name, group: RabbitOptions.group) ?? fallback
    }

    func seconds(_ name: String, _ fallback: Double) -> Duration {
        configuration.seconds(name, group: RabbitOptions.group) ?? .seconds(fallback)
    }

    var brokers: [MessagingSettings.Broker] {
        get throws(AgentSettingsError) {
            let port = number("rabbit_port", 5_672)
            var brokers: [MessagingSettings.Broker] = []
            for address in configuration.list("rabbit_hosts", group: RabbitOptions.group) where !address.isEmpty {
                let (host, ownPort) = try Self.split(address)
                brokers.append(
                    MessagingSettings.Broker(
                        host: host,
                        port: ownPort ?? port,
                        user: string("rabbit_userid", "guest"),
                        password: string("rabbit_password", "guest")
                    )
                )
            }
            guard !brokers.isEmpty else { throw AgentSettingsError("rabbit_hosts names no broker.") }
            return brokers
        }
    }

    /// HOST, HOST:PORT, [IPv6], [IPv6]:PORT, or a bare IPv6 address.
    private static func split(_ address: String) throws(AgentSettingsError) -> (host: String, port: Int?) {
        if address.filter({ $0 == ":" }).count > 1, !address.hasPrefix("[") { return (address, nil) }
        do {
            let url = try TransportURL("rabbit://\(address)")
            guard url.hosts.count == 1, let host = url.hosts.first, host.user == nil, url.virtualHost == nil else {
                throw AgentSettingsError("rabbit_hosts: '\(address)' is not HOST:PORT.")
            }
            return (host.name, host.port)
        } catch {
            throw AgentSettingsError("rabbit_hosts: '\(address)' is not HOST:PORT.")
        }
    }

    var mechanism: MessagingSettings.Mechanism {
        get throws(AgentSettingsError) {
            let name = string("rabbit_login_method", "AMQPLAIN")
            guard let mechanism = MessagingSettings.Mechanism(rawValue: name) else {
                throw AgentSettingsError("rabbit_login_method = \(name) is not supported: use AMQPLAIN or PLAIN.")
            }
            return mechanism
        }
    }

    var tls: MessagingSettings.TLS? {
        get throws(AgentSettingsError) {
            guard flag("ssl", false) else { return nil }
            var tls = MessagingSettings.TLS(
                authorities: try file("ssl_ca_file"),
                certificate: try file("ssl_cert_file"),
                key: try file("ssl_key_file")
            )
            tls.verifiesHostName = flag("ssl_enforce_hostname_verification", true)
            switch string("ssl_version", "").uppercased() {
            case "", "SSLV23", "TLS", "TLSV1_2": tls.oldestVersion = .tls12
            case "TLSV1_1": tls.oldestVersion = .tls11
            case "TLSV1": tls.oldestVersion = .tls10
            case let other:
                throw AgentSettingsError("ssl_version = \(other) is not supported: use TLSv1_2, or leave it out.")
            }
            return tls
        }
    }

    /// Found at the start and not at some later reconnection: a file that cannot be read.
    private func file(_ name: String) throws(AgentSettingsError) -> String? {
        let path = string(name, "")
        guard !path.isEmpty else { return nil }
        guard access(path, R_OK) == 0 else {
            throw AgentSettingsError("\(name): \(path) cannot be read: \(String(cString: strerror(errno))).")
        }
        return path
    }

    var replyQueue: MessagingSettings.ReplyQueue {
        get throws(AgentSettingsError) {
            var queue = MessagingSettings.ReplyQueue()
            queue.lifetimeSeconds = number("rabbit_transient_queues_ttl", 1_800)
            queue.isQuorum = flag("rabbit_transient_quorum_queue", false)
            queue.deliveryLimit = number("rabbit_quorum_delivery_limit", 0)
            queue.memoryMessagesMax = number("rabbit_quorum_max_memory_length", 0)
            queue.memoryBytesMax = number("rabbit_quorum_max_memory_bytes", 0)
            queue.isMirrored = flag("rabbit_ha_queues", false)
            if queue.isMirrored, queue.isQuorum || flag("rabbit_quorum_queue", false) {
                throw AgentSettingsError(
                    "rabbit_ha_queues cannot be used together with rabbit_quorum_queue or"
                        + " rabbit_transient_quorum_queue: turn it off."
                )
            }
            if flag("use_queue_manager", false) {
                queue.fixedName = "reply_\(string("hostname", "localhost")):\(string("processname", "agent")):1"
            }
            return queue
        }
    }

    var retry: MessagingSettings.Retry {
        var retry = MessagingSettings.Retry()
        retry.first = .seconds(number("rabbit_retry_interval", 1))
        retry.growth = .seconds(number("rabbit_retry_backoff", 2))
        retry.longest = .seconds(number("rabbit_interval_max", 30))
        retry.delay = seconds("kombu_reconnect_delay", 1)
        retry.splay = seconds("kombu_reconnect_splay", 0)
        retry.isShuffled = string("kombu_failover_strategy", "round-robin") == "shuffle"
        return retry
    }
}
