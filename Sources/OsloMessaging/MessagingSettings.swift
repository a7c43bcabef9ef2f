/// How to reach the broker and what the cloud's Neutron server expects there: the options of oslo.messaging as
/// values.
public struct MessagingSettings: Sendable {
    /// One node of a RabbitMQ cluster.
    public struct Broker: Sendable, Hashable {
        /// A name or an address, IPv6 without brackets.
        public var host: String
        public var port: Int
        public var user: String
        public var password: String

        public init(host: String, port: Int = 5_672, user: String = "guest", password: String = "guest") {
            self.host = host
            self.port = port
            self.user = user
            self.password = password
        }
    }

    /// `rabbit_login_method`.
    public enum Mechanism: String, Sendable {
        case amqplain = "AMQPLAIN"
        case plain = "PLAIN"
        /// By the client certificate; user and password are not sent.
        case external = "EXTERNAL"
    }

    /// TLS to the broker. Without authorities the broker is not verified (oslo.messaging's rule).
    public struct TLS: Sendable {
        public var authorities: String?
        public var certificate: String?
        public var key: String?
        public var oldestVersion: Version = .tls12
        public var verifiesHostName = true

        public enum Version: Sendable {
            case tls10
            case tls11
            case tls12
        }

        public init(authorities: String? = nil, certificate: String? = nil, key: String? = nil) {
            self.authorities = authorities
            self.certificate = certificate
            self.key = key
        }
    }

    /// The queue that replies arrive in.
    public struct ReplyQueue: Sendable {
        /// `rabbit_transient_queues_ttl` in seconds; 0 keeps an unused queue for ever.
        public var lifetimeSeconds = 1_800
        /// `rabbit_transient_quorum_queue`.
        public var isQuorum = false
        /// `rabbit_quorum_delivery_limit` and its kin; 0 leaves them out.
        public var deliveryLimit = 0
        public var memoryMessagesMax = 0
        public var memoryBytesMax = 0
        /// `rabbit_ha_queues`.
        public var isMirrored = false
        /// `use_queue_manager`: a name that outlives the process, instead of a random one.
        public var fixedName: String?

        public init() {}

        static func randomName() -> String { "reply_\(MessageID())" }
    }

    /// At least one. Tried in a random order.
    public var brokers: [Broker]
    public var virtualHost = "/"
    public var mechanism = Mechanism.amqplain
    /// Nil connects without TLS.
    public var tls: TLS?

    /// `control_exchange`.
    public var exchange = "neutron"
    /// `amqp_durable_queues` or `rabbit_quorum_queue`: what the server says when it declares the exchange.
    public var isExchangeDurable = false
    /// `amqp_auto_delete`.
    public var isExchangeAutoDeleted = false
    public var replyQueue = ReplyQueue()
    /// `rabbit_qos_prefetch_count`, 0 to 65535; 0 means any number.
    public var prefetchCount = 0

    /// `heartbeat_timeout_threshold`: silence after which the broker counts as lost; `.zero` sends no heartbeats.
    public var heartbeatTimeout: Duration = .seconds(60)
    /// `heartbeat_rate`, from 1: how many heartbeats are sent in that time.
    public var heartbeatRate = 3
    /// Time for a TCP connection to one broker, and then for TLS and the login.
    public var connectTimeout: Duration = .seconds(3)
    public var loginTimeout: Duration = .seconds(10)
    public var retry = Retry()

    /// When a lost broker is tried again.
    public struct Retry: Sendable {
        /// `rabbit_retry_interval`, `rabbit_retry_backoff`, `rabbit_interval_max`.
        public var first: Duration = .seconds(1)
        public var growth: Duration = .seconds(2)
        public var longest: Duration = .seconds(30)
        /// `kombu_reconnect_delay` and `kombu_reconnect_splay`: waited once after a connection is lost.
        public var delay: Duration = .seconds(1)
        public var splay: Duration = .zero
        /// `kombu_failover_strategy = shuffle`: any broker next, instead of the next in the list.
        public var isShuffled = false

        public init() {}
    }

    /// A call fails once the bus has been away for so long, unless it says otherwise.
    public var awayPatience: Duration = .seconds(2)
    /// The most messages that may wait to be sent or answered.
    public var messagesMax = 256
    /// The most sendings that are known by number while the broker does not confirm them. Beyond it the oldest is
    /// forgotten, and its message ends by its reply or its time.
    public var unconfirmedMax = 1_024
    /// The largest reply taken, in bytes. Ten thousand ports are about 12 MB.
    public var replyBytesMax = 64 << 20

    public init(brokers: [Broker]) {
        self.brokers = brokers
    }

    /// From one heartbeat to the next; `.zero` for none. A quarter of a second at least, whatever the options say.
    var heartbeatInterval: Duration {
        guard heartbeatTimeout > .zero else { return .zero }
        return max(heartbeatTimeout / max(heartbeatRate, 1), .milliseconds(250))
    }

    var exchangeKind: BrokerObjects.Exchange {
        BrokerObjects.Exchange(isDurable: isExchangeDurable, isAutoDeleted: isExchangeAutoDeleted)
    }
}
