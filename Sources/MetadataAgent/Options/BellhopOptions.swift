import OsloConfig

/// The group `[bellhop]`: what Neutron's agent has no option for. An unknown name in it stops the agent, because
/// it can only be a mistake.
enum BellhopOptions {
    static let group = "bellhop"

    static let all: [Option] =
        directory + requests + limits + [
            own(
                "report_topic",
                .string(choices: ["auto", "q-plugin", "q-reports-plugin"]),
                "auto",
                "Message topic of state reports. Servers up to Liberty listen on q-plugin, later ones on "
                    + "q-reports-plugin and mostly on both. auto starts with q-reports-plugin and stays with the first "
                    + "topic that is answered."
            )
        ]

    private static let directory: [Option] = [
        own(
            "directory",
            .string(choices: ["auto", "inventory", "rpc", "rest"]),
            "auto",
            "Where to look up which instance has an address. inventory: the file named by inventory; rpc: the "
                + "Neutron server over the message bus, with the Neutron API as fallback if auth_url or endpoint_url "
                + "is set; rest: the Neutron API; auto: the inventory if there is one, otherwise rpc if transport_url "
                + "or another option of the message bus is set, otherwise rest."
        ),
        own(
            "inventory",
            .string(),
            nil,
            "Path of an inventory file that lists networks, ports and instances. With it the agent asks no "
                + "OpenStack service for ports."
        ),
        own(
            "lookup_cache_seconds",
            .float(min: 0),
            nil,
            "Seconds for which a looked-up instance is remembered, at most 3600; 0 remembers nothing. Unset means the "
                + "lifetime that cache_url or the [cache] group gives."
        ),
    ]

    private static let requests: [Option] = [
        own(
            "hold_seconds",
            .float(min: 0, max: 60),
            "8.5",
            "Seconds, 0 to 60, for which a request waits in all when it cannot be answered yet: no port has the "
                + "address so far, or the control plane or Nova is away. 0 answers at once. cloud-init gives up after "
                + "10 seconds, and haproxy after 32."
        ),
        own(
            "nova_timeout_seconds",
            .float(min: 0.1),
            "60",
            "Seconds, at least 0.1, for which Nova may keep silent once it has a request. Then the guest gets 504, or "
                + "the end of its connection if the answer had begun, but that after 32 seconds at the earliest."
        ),
        own(
            "response_cache_seconds",
            .float(min: 0, max: 3_600),
            "0",
            "Seconds for which Nova's answers are remembered: identical GETs of one instance are then answered by Nova "
                + "once. A guest sees changes that much later. Never remembered: errors, passwords, and answers above "
                + "1 MiB. 0 turns it off."
        ),
        own(
            "response_cache_bytes_max",
            .integer(min: 0),
            "33554432",
            "Memory in bytes for remembered answers; the oldest go first."
        ),
        own(
            "nova_timeout_status",
            .string(choices: ["504", "500"]),
            "504",
            "What a guest gets when Nova does not answer in time. 500, which Neutron's agent answered, also takes the "
                + "place of 502 for an incomplete answer of Nova's."
        ),
        own(
            "directory_away_status",
            .string(choices: ["503", "500"]),
            "503",
            "What a guest gets when the control plane was away all the time that its request was held. Neutron's agent "
                + "answered 500, which makes cloud-init give up."
        ),
        own(
            "drain_seconds",
            .float(min: 0, max: 600),
            "8.75",
            "Seconds for which an agent that is stopped finishes the requests it has taken, which may be held for "
                + "hold_seconds. New ones wait for the next agent meanwhile, for hold_seconds and a second more, so keep "
                + "this between the two."
        ),
        own(
            "xff_policy",
            .string(choices: ["last", "reject"]),
            "last",
            "What to do with a request whose X-Forwarded-For lists several addresses, because the guest sent one of "
                + "its own. last trusts the address that the namespace proxy added; reject answers 400."
        ),
    ]

    private static let limits: [Option] = [
        own(
            "take_listeners",
            .boolean,
            "true",
            "Take over the listening sockets of namespace proxies that offer them, at the path of "
                + "metadata_proxy_socket with .listeners at its end. Guests are then served without a second hop."
        ),
        own(
            "guest_limits",
            .string(choices: ["off", "standard"]),
            "off",
            "Bounds on what one guest may take. standard: 125 requests in 10 seconds and 600 in 5 minutes, counted "
                + "over IPv4 and IPv6 like [metadata_rate_limiting], which applies as well; and 32 connections at a "
                + "time where guests connect to the agent itself. A boot makes some 30 requests, one at a time."
        ),
        own(
            "connections_max",
            .integer(min: 1),
            "4096",
            "Number of connections from guests and proxies that each worker keeps open. More wait in the backlog."
        ),
        own(
            "upstream_connections_max",
            .integer(min: 1),
            "1024",
            "Number of connections to Nova that each worker keeps open. Requests beyond that wait for a free one."
        ),
        own(
            "request_body_bytes_max",
            .integer(min: 0),
            "1048576",
            "Largest request body in bytes. Larger ones are answered with 413."
        ),
    ]

    private static func own(
        _ name: String,
        _ kind: Option.Kind,
        _ defaultValue: String?,
        _ help: String
    ) -> Option {
        Option(name, group: group, kind: kind, defaultValue: defaultValue, help: help)
    }
}
