import OsloConfig

/// `[metadata_rate_limiting]`: in Neutron an option group of the L3, DHCP and OVN agents, which write it into
/// haproxy's configuration. Here the agent obeys it as well, so that one `neutron.conf` limits every guest, whoever
/// stands between.
enum RateLimitOptions {
    static let group = "metadata_rate_limiting"

    static let all: [Option] = [
        Option(
            "rate_limit_enabled",
            group: group,
            kind: .boolean,
            defaultValue: "false",
            help: "Limit how often a guest may ask. A request above a limit is answered with 429 and Retry-After.",
            since: "2023.2"
        ),
        Option(
            "ip_versions",
            group: group,
            kind: .list,
            defaultValue: "4",
            help: "IP versions of the guests that are limited: 4, 6, or both, which Neutron itself does not support.",
            since: "2023.2"
        ),
        seconds(
            "base_window_duration",
            "Length in seconds of the base window. Every guest is counted over both windows."
        ),
        requests("base_query_rate_limit", "Requests of a guest in the base window."),
        seconds("burst_window_duration", "Length in seconds of the burst window."),
        requests("burst_query_rate_limit", "Requests of a guest in the burst window."),
    ]

    private static func seconds(_ name: String, _ help: String) -> Option {
        Option(
            name,
            group: group,
            kind: .integer(min: 1, max: 31_536_000),
            defaultValue: "10",
            help: help,
            since: "2023.2"
        )
    }

    private static func requests(_ name: String, _ help: String) -> Option {
        Option(
            name,
            group: group,
            kind: .integer(min: 1, max: 1_000_000_000),
            defaultValue: "10",
            help: help,
            since: "2023.2"
        )
    }
}
