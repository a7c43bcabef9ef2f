import OsloConfig

/// How long looked-up instances are remembered: `cache_url` (Juno to Pike) and the group `[cache]` (Newton on).
///
/// The cache is always in this process. A backend other than dogpile.cache.null only turns it on.
enum CacheOptions {
    static let all: [Option] =
        [
            Option(
                "cache_url",
                kind: .string(),
                defaultValue: "memory://?default_ttl=5",
                help:
                    "How long looked-up instances are remembered: memory://?default_ttl=SECONDS, at most 3600, which 0 means "
                    + "as well. Empty means that the [cache] group decides.",
                since: "Juno",
                until: "Pike"
            ),
            Option(
                "enabled",
                group: group,
                kind: .boolean,
                defaultValue: "false",
                help: "Remember looked-up instances for expiration_time, if backend is not dogpile.cache.null.",
                since: "Newton"
            ),
            Option(
                "backend",
                group: group,
                kind: .string(choices: backends),
                defaultValue: "dogpile.cache.null",
                help:
                    "Where instances are remembered: dogpile.cache.null is nowhere, all others are the agent itself; no "
                    + "external cache server is used.",
                since: "Newton"
            ),
            Option(
                "expiration_time",
                group: group,
                kind: .integer(min: 0),
                defaultValue: "600",
                help: "Seconds for which a looked-up instance is remembered, at most 3600.",
                since: "Newton"
            ),
        ] + leftovers

    static let group = "cache"

    private static let backends = [
        "dogpile.cache.null", "oslo_cache.dict", "oslo_cache.memcache_pool", "oslo_cache.etcd3gw",
        "oslo_cache.mongo", "dogpile.cache.memory", "dogpile.cache.memory_pickle", "dogpile.cache.memcached",
        "dogpile.cache.pymemcache", "dogpile.cache.pylibmc", "dogpile.cache.bmemcached", "dogpile.cache.dbm",
        "dogpile.cache.redis", "dogpile.cache.redis_sentinel",
    ]

    /// What configures an external cache server or the client library for it.
    private static let leftovers: [Option] = [
        leftover("config_prefix", .string(), "cache.oslo", "Prefix of the settings handed to the cache library."),
        leftover("backend_expiration_time", .integer(), nil, "Seconds after which the cache server drops an entry."),
        leftover("backend_argument", .multiString, nil, "A setting NAME:VALUE for the backend.", isSecret: true),
        leftover("proxies", .list, "", "Python classes that wrap the backend."),
        leftover("debug_cache_backend", .boolean, "false", "Log every access to the cache."),
        leftover("memcache_servers", .list, "localhost:11211", "Addresses of memcached servers, as HOST:PORT."),
        leftover("memcache_dead_retry", .integer(), "300", "Seconds before a dead memcached server is tried again."),
        leftover("memcache_pool_maxsize", .integer(), "10", "Open connections to each memcached server, at most."),
        leftover("memcache_pool_unused_timeout", .integer(), "60", "Seconds before an unused connection is closed."),
        leftover("memcache_pool_connection_get_timeout", .integer(), "10", "Seconds to wait for a free connection."),
        leftover("memcache_pool_flush_on_reconnect", .boolean, "false", "Empty memcached after a reconnection."),
        leftover("memcache_sasl_enabled", .boolean, "false", "Log in to memcached."),
        leftover("redis_server", .string(), "localhost:6379", "Address of the Redis server, as HOST:PORT."),
        leftover("redis_db", .integer(), "0", "Number of the database in the Redis server."),
        leftover("redis_sentinels", .list, "localhost:26379", "Addresses of Redis sentinels, as HOST:PORT."),
        leftover("redis_sentinel_service_name", .string(), "mymaster", "Name of the Redis sentinel service."),
        leftover(
            "username",
            .string(),
            nil,
            "User name for the cache server.",
            oldNames: ["memcache_username", "redis_username"]
        ),
        leftover(
            "password",
            .string(),
            nil,
            "Password for the cache server.",
            isSecret: true,
            oldNames: ["memcache_password", "redis_password"]
        ),
        leftover("tls_enabled", .boolean, "false", "Use TLS to the cache server."),
        leftover("tls_cafile", .string(), nil, "Path of the authorities that sign the cache server's certificate."),
        leftover("tls_certfile", .string(), nil, "Path of the client certificate for the cache server."),
        leftover("tls_keyfile", .string(), nil, "Path of the private key of tls_certfile."),
        leftover("tls_allowed_ciphers", .string(), nil, "Ciphers allowed on connections to the cache server."),
        leftover(
            "socket_timeout",
            .float(),
            "1.0",
            "Seconds that a call to the cache server may take.",
            oldNames: ["memcache_socket_timeout", "redis_socket_timeout"]
        ),
        leftover("enable_socket_keepalive", .boolean, "false", "Probe idle connections to the cache server."),
        leftover("socket_keepalive_idle", .integer(), "1", "Seconds of silence before the first probe."),
        leftover("socket_keepalive_interval", .integer(), "1", "Seconds between two probes."),
        leftover("socket_keepalive_count", .integer(), "1", "Unanswered probes that end a connection."),
        leftover("enable_retry_client", .boolean, "false", "Try a failed call to the cache server again."),
        leftover("retry_attempts", .integer(), "2", "Tries of a call to the cache server."),
        leftover("retry_delay", .float(), "0", "Seconds between two tries."),
        leftover("hashclient_retry_attempts", .integer(), "2", "Tries before a cache server counts as dead."),
        leftover(
            "hashclient_retry_timeout",
            .float(),
            "1",
            "Seconds between two tries of a server.",
            oldNames: ["hashclient_retry_delay"]
        ),
        leftover(
            "hashclient_dead_timeout",
            .float(),
            "60",
            "Seconds before a dead server is tried again.",
            oldNames: ["dead_timeout"]
        ),
    ]

    private static func leftover(
        _ name: String,
        _ kind: Option.Kind,
        _ defaultValue: String?,
        _ help: String,
        isSecret: Bool = false,
        oldNames: [String] = []
    ) -> Option {
        Option(
            name,
            group: group,
            kind: kind,
            defaultValue: defaultValue,
            help: help,
            isSecret: isSecret,
            deprecatedNames: oldNames.map { Option.Name(group: group, name: $0) },
            effect: .none("the cache is inside the agent, no external cache server is used"),
            since: "Newton"
        )
    }
}
