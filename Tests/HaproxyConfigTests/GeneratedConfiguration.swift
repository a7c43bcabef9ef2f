/// What the configuration generators of Neutron's releases differ in, and the file that each would write.
///
/// Written down from their behaviour, release by release; the landmarks are also kept as text, in `Configurations/`.
struct GeneratedConfiguration: CustomStringConvertible, Sendable {
    enum Release: Int, CaseIterable, Comparable, Sendable {
        case pike, queens, rocky, stein, train, ussuri, victoria, wallaby, xena, yoga, zed
        case r2023x1, r2023x2, r2024x1, r2024x2, r2025x1, r2025x2, r2026x1, r2026x2

        static func < (left: Release, right: Release) -> Bool { left.rawValue < right.rawValue }
    }

    enum Agent: String, CaseIterable, Sendable { case l3, dhcp, ovn }

    struct Limits: Sendable {
        var version = 4
        var base = (seconds: 10, requests: 10)
        var burst = (seconds: 10, requests: 10)
    }

    let release: Release
    let agent: Agent
    /// The host (L3) or the network (DHCP, OVN) has IPv6.
    let hasIPv6: Bool
    let limits: Limits?

    static let id = "21dc7e74-24bc-4b34-8c4d-0e9fc87debd9"
    static let socket = "/var/lib/neutron/metadata_proxy"
    static let interface = "tap3f0a1b2c-4d"

    /// Every combination that existed.
    static let all: [GeneratedConfiguration] = Release.allCases.flatMap { release in
        Agent.allCases.flatMap { agent in
            [false, true].flatMap { hasIPv6 in
                [nil, Limits()].map {
                    GeneratedConfiguration(release: release, agent: agent, hasIPv6: hasIPv6, limits: $0)
                }
            }
        }
    }.filter { $0.exists }

    private var exists: Bool {
        (agent != .ovn || release >= .ussuri) && (limits == nil || release >= .r2023x2)
            && (!hasIPv6 || release >= (agent == .ovn ? .r2024x1 : .victoria))
    }

    var description: String {
        "\(release) \(agent.rawValue)\(hasIPv6 ? " with IPv6" : "")\(limits == nil ? "" : " with limits")"
    }

    // What a reader must find.

    var hasLogTag: Bool { release >= (agent == .ovn ? .zed : .queens) }

    var pidFile: String {
        "/var/lib/neutron/external/pids/\(Self.id).pid" + (release >= .train ? ".haproxy" : "")
    }

    var binds: [String] {
        switch agent {
        case .l3: return [hasIPv6 ? "[::]:9697" : "0.0.0.0:9697"]
        case .dhcp where release < .stein: return ["0.0.0.0:80"]
        case .dhcp, .ovn:
            let v6 = "[fe80::a9fe:a9fe]:80 interface \(Self.interface)"
            return ["169.254.169.254:80"] + (hasIPv6 ? [v6] : [])
        }
    }

    // What the generator writes.

    var text: String {
        var lines = ["", "global", "    log         /dev/log local0 info"]
        if hasLogTag { lines.append("    log-tag     haproxy-metadata-proxy-\(Self.id)") }
        lines += ["    user        neutron", "    group       neutron", "    maxconn     1024"]
        if release >= .r2025x2 { lines.append("    nbthread    2") }
        lines += ["    pidfile     \(pidFile)", "    daemon", "", "defaults", "    log global", "    mode http"]
        lines += ["httplog", "dontlognull", "http-server-close", "forwardfor"].map { "    option \($0)" }
        lines += [
            "    retries                 3", "    timeout http-request    30s", "    timeout connect         30s",
            "    timeout client          32s", "    timeout server          32s", "    timeout http-keep-alive 30s", "",
        ]
        if let limits { lines += tables(limits) }
        lines += ["listen listener"] + bindLines
        if let limits { lines += rules(limits) }
        lines += ["    server metadata \(Self.socket)"] + headerLines
        return lines.joined(separator: "\n") + "\n"
    }

    private var bindLines: [String] {
        switch agent {
        // The line for IPv6 stays, empty but for its blanks.
        case .l3: return ["    bind \(hasIPv6 ? "::" : "0.0.0.0"):9697"] + (release >= .victoria ? ["    "] : [])
        case .dhcp where release < .stein: return ["    bind 0.0.0.0:80"]
        case .dhcp, .ovn:
            let address = release >= .r2026x2 ? "[fe80::a9fe:a9fe]" : "fe80::a9fe:a9fe"
            let v6 = hasIPv6 ? "    bind \(address):80 interface \(Self.interface)" : "    "
            return ["    bind 169.254.169.254:80", v6]
        }
    }

    private var headerLines: [String] {
        let name: String
        switch agent {
        case .ovn: return ["    http-request add-header X-OVN-Network-ID \(Self.id)"]
        case .l3: name = "Router"
        case .dhcp: name = "Network"
        }
        guard release >= .ussuri else { return ["    http-request add-header X-Neutron-\(name)-ID \(Self.id)"] }
        return [
            "", "    http-request del-header X-Neutron-\(name == "Router" ? "Network" : "Router")-ID",
            "    http-request set-header X-Neutron-\(name)-ID \(Self.id)", "",
        ]
    }

    private func tables(_ limits: Limits) -> [String] {
        let expiry = max(limits.base.seconds, limits.burst.seconds)
        return [("base", limits.base), ("burst", limits.burst)].flatMap { name, window in
            [
                "backend \(name)_rate_limiter",
                "    stick-table type \(limits.version == 4 ? "ip" : "ipv6") size 10k expire \(expiry)s "
                    + "store http_req_rate(\(window.seconds)s)",
                "",
            ]
        }
    }

    private func rules(_ limits: Limits) -> [String] {
        let windows = [("base", limits.base), ("burst", limits.burst)]
        return windows.enumerated().map { index, window in
            "    http-request track-sc\(index) src table \(window.0)_rate_limiter"
        }
            + windows.map { name, window in
                "    http-request deny deny_status 429 if { src_http_req_rate(\(name)_rate_limiter) gt \(window.requests) }"
            }
    }
}
