import OsloConfig

/// Every option of `neutron-ns-metadata-proxy`, as the L3 and DHCP agents of Grizzly to Ocata pass them.
///
/// The logging options are a table of their own, `LoggingOptions.all` of OsloLog; the program concatenates. Load
/// with `usesDefaultFiles: false`: the proxy reads only files that the command line names (LP 1661106).
public enum ProxyOptions {
    public static let all: [Option] = identity + process + sockets

    private static let identity: [Option] = [
        option("network_id", .string(), nil, "Id of the network whose guests are served. This or router_id is needed."),
        option(
            "router_id",
            .string(),
            nil,
            "Id of the router whose guests are served. If both are given, requests carry the router's id."
        ),
    ]

    private static let process: [Option] = [
        option(
            "pid_file",
            .string(),
            nil,
            "Path of the file that holds the process id and a lock. Without it none is written."
        ),
        option("daemonize", .boolean, "true", "Go into the background."),
        option(
            "metadata_proxy_user",
            .string(),
            nil,
            "Name or number of the user to become after the port is bound. Needs root.",
            since: "Kilo"
        ),
        option(
            "metadata_proxy_group",
            .string(),
            nil,
            "Name or number of the group to become after the port is bound. Needs root.",
            since: "Kilo"
        ),
        option(
            "metadata_proxy_watch_log",
            .boolean,
            "true",
            "Open the log file again when it was rotated. Turn it off if metadata_proxy_user may not open the file, and "
                + "rotate with copytruncate.",
            since: "Kilo"
        ),
    ]

    private static let sockets: [Option] = [
        option("metadata_port", .port, "9697", "TCP port on which guests are served."),
        option(
            "state_path",
            .string(),
            "/var/lib/neutron",
            "Directory for files that Neutron keeps while it runs. It must be the agent's."
        ),
        option(
            "metadata_proxy_socket",
            .string(),
            "$state_path/metadata_proxy",
            "Path of the agent's UNIX socket.",
            since: "Havana"
        ),
        option(
            "hold_seconds",
            .float(min: 0, max: 60),
            "8.5",
            "Seconds, 0 to 60, for which a request waits while the agent is away, before it is answered with 503. "
                + "Bellhop's own.",
            since: nil,
            until: nil
        ),
    ]

    private static func option(
        _ name: String,
        _ kind: Option.Kind,
        _ defaultValue: String?,
        _ help: String,
        since: String? = "Grizzly",
        until: String? = "Ocata"
    ) -> Option {
        Option(
            name,
            kind: kind,
            defaultValue: defaultValue,
            help: help,
            commandLine: Option.CommandLine([name]),
            since: since,
            until: until
        )
    }
}
