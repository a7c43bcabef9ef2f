import OsloConfig

/// The group `[oslo_messaging_rabbit]`. Juno had these options in `DEFAULT`, where they are still found.
enum RabbitOptions {
    static let group = "oslo_messaging_rabbit"

    static let all: [Option] = broker + security + connection + queues + leftovers

    /// Used only if `transport_url` names no host.
    private static let broker: [Option] = [
        rabbit("rabbit_host", .string(), "localhost", "Host of the broker.", until: "Rocky"),
        rabbit("rabbit_port", .port, "5672", "TCP port of the broker.", until: "Rocky"),
        rabbit(
            "rabbit_hosts",
            .list,
            "$rabbit_host:$rabbit_port",
            "Brokers of a cluster as HOST:PORT, separated by commas. Without a port rabbit_port is meant.",
            until: "Rocky"
        ),
        rabbit("rabbit_userid", .string(), "guest", "User name for the broker.", until: "Rocky"),
        rabbit("rabbit_password", .string(), "guest", "Password for the broker.", isSecret: true, until: "Rocky"),
        rabbit("rabbit_virtual_host", .string(), "/", "Virtual host on the broker.", until: "Rocky"),
        rabbit(
            "rabbit_login_method",
            .string(choices: ["AMQPLAIN", "PLAIN", "EXTERNAL", "RABBIT-CR-DEMO"]),
            "AMQPLAIN",
            "SASL mechanism for the login to the broker."
        ),
        rabbit(
            "rabbit_max_retries",
            .integer(min: 0),
            "0",
            "Number of tries to reach the broker; 0 tries for ever.",
            until: "Rocky",
            noEffect: "the broker is tried for ever"
        ),
    ]

    private static let security: [Option] = [
        rabbit(
            "ssl",
            .boolean,
            "false",
            "Use TLS to the broker. Without ssl_ca_file the broker is not verified.",
            oldName: "rabbit_use_ssl"
        ),
        rabbit(
            "ssl_version",
            .string(),
            "",
            "Oldest TLS version to accept: TLSv1, TLSv1_1 or TLSv1_2. Empty means TLSv1_2.",
            oldName: "kombu_ssl_version"
        ),
        rabbit(
            "ssl_key_file",
            .string(),
            "",
            "Path of the PEM private key of ssl_cert_file.",
            oldName: "kombu_ssl_keyfile"
        ),
        rabbit(
            "ssl_cert_file",
            .string(),
            "",
            "Path of the PEM client certificate to show to the broker.",
            oldName: "kombu_ssl_certfile"
        ),
        rabbit(
            "ssl_ca_file",
            .string(),
            "",
            "Path of the PEM authorities that sign the broker's certificate. With it the certificate and the "
                + "broker's name are verified.",
            oldName: "kombu_ssl_ca_certs"
        ),
        rabbit(
            "ssl_enforce_hostname_verification",
            .boolean,
            "true",
            "Verify that the broker's certificate is for the host that was connected to."
        ),
    ]

    private static let connection: [Option] = [
        rabbit("rabbit_retry_interval", .integer(min: 1), "1", "Seconds before a lost broker is tried again."),
        rabbit("rabbit_retry_backoff", .integer(min: 0), "2", "Seconds that are added after each failed try."),
        rabbit("rabbit_interval_max", .integer(min: 1), "30", "Seconds between two tries, at most."),
        rabbit("kombu_reconnect_delay", .float(min: 0), "1.0", "Seconds to wait before a reconnection."),
        rabbit("kombu_reconnect_splay", .float(min: 0), "0.0", "Seconds of random delay added to a reconnection."),
        rabbit(
            "kombu_failover_strategy",
            .string(choices: ["round-robin", "shuffle"]),
            "round-robin",
            "Which broker of a cluster is tried next."
        ),
        rabbit(
            "heartbeat_timeout_threshold",
            .integer(min: 0),
            "60",
            "Seconds without a sign of life after which the broker counts as lost; 0 turns heartbeats off."
        ),
        rabbit(
            "heartbeat_rate",
            .integer(min: 1),
            "3",
            "How often within heartbeat_timeout_threshold a heartbeat is sent."
        ),
        rabbit(
            "rabbit_qos_prefetch_count",
            .integer(min: 0),
            "0",
            "Number of answers the broker sends ahead of their acknowledgement; 0 means any number."
        ),
    ]

    private static let queues: [Option] = [
        rabbit(
            "amqp_durable_queues",
            .boolean,
            "false",
            "Declare the exchange as durable. It must be the Neutron server's value.",
            oldName: "rabbit_durable_queues"
        ),
        rabbit("amqp_auto_delete", .boolean, "false", "Let the broker delete queues that nobody uses any more."),
        rabbit(
            "rabbit_ha_queues",
            .boolean,
            "false",
            "Ask for mirrored queues. Not together with quorum queues; ignored by RabbitMQ 3.0 and later."
        ),
        rabbit(
            "rabbit_quorum_queue",
            .boolean,
            "false",
            "The cloud uses quorum queues, so the exchange is durable.",
            since: "Zed"
        ),
        rabbit(
            "rabbit_transient_quorum_queue",
            .boolean,
            "false",
            "Make the queue for answers a quorum queue.",
            since: "2024.1"
        ),
        rabbit(
            "rabbit_quorum_delivery_limit",
            .integer(min: 0),
            "0",
            "Deliveries of one message from a quorum queue, at most; 0 means any number.",
            since: "Zed"
        ),
        rabbit(
            "rabbit_quorum_max_memory_length",
            .integer(min: 0),
            "0",
            "Messages of a quorum queue kept in memory, at most; 0 means any number.",
            oldName: "rabbit_quroum_max_memory_length",
            since: "Zed"
        ),
        rabbit(
            "rabbit_quorum_max_memory_bytes",
            .integer(min: 0),
            "0",
            "Bytes of a quorum queue kept in memory, at most; 0 means any number.",
            oldName: "rabbit_quroum_max_memory_bytes",
            since: "Zed"
        ),
        rabbit(
            "rabbit_transient_queues_ttl",
            .integer(min: 0),
            "1800",
            "Seconds after which the broker deletes the unused queue for answers; 0 means never.",
            since: "Mitaka"
        ),
        rabbit(
            "use_queue_manager",
            .boolean,
            "false",
            "Give the queue for answers a name that stays the same over restarts.",
            since: "2024.1"
        ),
        rabbit("hostname", .string(), "$host", "Host part of that name.", since: "2024.1"),
        rabbit("processname", .string(), "neutron-metadata-agent", "Process part of that name.", since: "2024.1"),
    ]

    private static let leftovers: [Option] = [
        rabbit("rpc_conn_pool_size", .integer(), "30", "Connections to the broker, at most.", noEffect: onePair),
        rabbit("conn_pool_min_size", .integer(), "2", "Connections to the broker, at least.", noEffect: onePair),
        rabbit("conn_pool_ttl", .integer(), "1200", "Seconds before an idle connection is closed.", noEffect: onePair),
        rabbit(
            "kombu_missing_consumer_retry_timeout",
            .integer(),
            "60",
            "Seconds to wait for a client that asked and went away.",
            oldName: "kombu_reconnect_timeout",
            noEffect: "the agent answers no messages"
        ),
        rabbit(
            "kombu_compression",
            .string(),
            nil,
            "Compression of messages.",
            noEffect: "requests are too small for it"
        ),
        rabbit(
            "heartbeat_in_pthread",
            .boolean,
            "false",
            "Thread that sends heartbeats.",
            noEffect: "it always has its own"
        ),
        rabbit(
            "direct_mandatory_flag",
            .boolean,
            "true",
            "Flag on answers.",
            noEffect: "the agent answers no messages"
        ),
        rabbit(
            "enable_cancel_on_failover",
            .boolean,
            "false",
            "Be told when a mirrored queue moves.",
            noEffect: "mirrored queues are gone from RabbitMQ 4"
        ),
        rabbit("rabbit_stream_fanout", .boolean, "false", "Stream queues.", noEffect: "the agent takes no broadcasts"),
        rabbit(
            "ssl_enforce_fips_mode",
            .boolean,
            "false",
            "FIPS mode.",
            noEffect: "the system's OpenSSL settings decide"
        ),
    ]

    private static let onePair = "the agent keeps one connection open"

    /// Options as old as Juno may also stand in `DEFAULT`, and under their older names in both groups.
    private static func rabbit(
        _ name: String,
        _ kind: Option.Kind,
        _ defaultValue: String?,
        _ help: String,
        isSecret: Bool = false,
        oldName: String? = nil,
        since: String? = nil,
        until: String? = nil,
        noEffect: String? = nil
    ) -> Option {
        var old = oldName.map { [Option.Name(group: group, name: $0)] } ?? []
        if let oldName, since == nil { old.append(Option.Name(name: oldName)) }
        // The newer ones were never in DEFAULT, where `ssl` or `hostname` could be anybody's.
        if ["rabbit_", "kombu_", "amqp_", "rpc_"].contains(where: name.hasPrefix), since == nil {
            old.append(Option.Name(name: name))
        }
        return Option(
            name,
            group: group,
            kind: kind,
            defaultValue: defaultValue,
            help: help,
            isSecret: isSecret,
            deprecatedNames: old,
            effect: noEffect.map { .none($0) } ?? .full,
            since: since ?? "Juno",
            until: until
        )
    }
}
