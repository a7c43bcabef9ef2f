import OsloConfig

/// The UNIX socket on which namespace proxies reach the agent, and how many threads serve it.
enum SocketOptions {
    static let all: [Option] = [
        Option(
            "metadata_proxy_socket",
            kind: .string(),
            defaultValue: "$state_path/metadata_proxy",
            help: "Path of the UNIX socket on which the agent takes requests from the namespace proxies. Missing "
                + "directories are made; a socket left over from an earlier run is replaced.",
            since: "Grizzly"
        ),
        Option(
            "metadata_proxy_user",
            kind: .string(),
            defaultValue: "",
            help: "Name or number of the user that the namespace proxies run as. The agent only uses it to deduce "
                + "the mode of its socket. Empty means the agent's own user.",
            since: "Kilo"
        ),
        Option(
            "metadata_proxy_group",
            kind: .string(),
            defaultValue: "",
            help: "Name or number of the group that the namespace proxies run as, used like metadata_proxy_user. "
                + "Empty means the agent's own group.",
            since: "Kilo"
        ),
        Option(
            "metadata_proxy_socket_mode",
            kind: .string(choices: ["deduce", "user", "group", "all"]),
            defaultValue: "deduce",
            help: "Who may connect to the metadata socket. user (0644): only the agent's user; group (0664): also "
                + "its group; all (0666): everybody on the host. deduce takes the narrowest of these that lets "
                + "metadata_proxy_user and metadata_proxy_group connect. Neutron ignored the option from 2025.1 on.",
            since: "Kilo"
        ),
        Option(
            "metadata_workers",
            kind: .integer(min: 0),
            help: "Number of threads that serve guests, each with an event loop of its own. Unset means half the "
                + "number of CPUs, at least 1; 0 counts as 1. A loop serves many guests at once, so this follows "
                + "the number of CPUs and not the number of guests.",
            since: "Icehouse"
        ),
        Option(
            "metadata_backlog",
            kind: .integer(min: 1),
            defaultValue: "4096",
            help: "Number of connections that may wait on the metadata socket to be accepted. The kernel caps it at "
                + "net.core.somaxconn.",
            since: "Icehouse"
        ),
    ]
}
