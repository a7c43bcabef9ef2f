import OsloConfig

/// Settings of the Python web server that the agent was built on from Grizzly to 2024.2. Most have no counterpart
/// here; they are accepted because shared files hold them.
enum WSGIOptions {
    static let all: [Option] = [
        leftover(
            "backlog",
            .integer(),
            "4096",
            "Number of connections that may wait on a TCP listener of the Neutron server.",
            "the agent's listener follows metadata_backlog",
            since: "Grizzly"
        ),
        leftover(
            "tcp_keepidle",
            .integer(),
            "600",
            "Seconds of silence on a TCP connection before the kernel probes the other end.",
            "guests reach the agent over a UNIX socket",
            since: "Grizzly"
        ),
        leftover(
            "retry_until_window",
            .integer(),
            "30",
            "Seconds to keep trying to bind a TCP port that is in use.",
            "the agent binds no TCP port",
            since: "Grizzly"
        ),
        leftover(
            "max_header_line",
            .integer(),
            "16384",
            "Longest header line of a request, in bytes.",
            "the limits are 16384 bytes for a line and 65536 bytes for all",
            since: "Icehouse"
        ),
        leftover(
            "wsgi_log_format",
            .string(),
            nil,
            "Format of the access log.",
            "access log lines have the fixed form of eventlet.wsgi.server",
            since: "Mitaka"
        ),
        leftover(
            "wsgi_default_pool_size",
            .integer(),
            "100",
            "Number of requests that one worker process serves at a time.",
            "use connections_max in [bellhop]",
            since: "Mitaka"
        ),
        leftover(
            "wsgi_keep_alive",
            .boolean,
            "true",
            "Whether a connection may carry several requests.",
            "the other end of the connection decides",
            since: "Kilo"
        ),
        Option(
            "client_socket_timeout",
            kind: .integer(min: 0),
            defaultValue: "900",
            help: "Seconds that a connection to the metadata socket may stay open without a request; 0 means for ever.",
            since: "Kilo",
            until: "2024.2"
        ),
        leftover(
            "wsgi_server_debug",
            .boolean,
            "false",
            "Whether errors are answered with a traceback.",
            "internals are never shown to guests",
            since: nil
        ),
    ]

    private static func leftover(
        _ name: String,
        _ kind: Option.Kind,
        _ defaultValue: String?,
        _ help: String,
        _ reason: String,
        since: String?
    ) -> Option {
        Option(
            name,
            kind: kind,
            defaultValue: defaultValue,
            help: help,
            effect: .none(reason),
            since: since,
            until: "2024.2"
        )
    }
}
