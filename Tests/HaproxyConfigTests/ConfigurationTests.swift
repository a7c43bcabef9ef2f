import Glibc
import HaproxyConfig
import MetadataModel
import Testing

/// The text of a file in `Configurations/`.
func configuration(_ name: String) throws -> String {
    let folder = #filePath.split(separator: "/").dropLast().joined(separator: "/")
    let file = try #require(fopen("/\(folder)/Configurations/\(name)", "r"), "no file \(name)")
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    return String(decoding: bytes[..<fread(&bytes, 1, bytes.count, file)], as: UTF8.self)
}

@Suite struct ConfigurationTests {
    @Test(arguments: GeneratedConfiguration.all)
    func everyReleaseAndAgent(_ generated: GeneratedConfiguration) throws {
        let plan = try HaproxyPlan(text: generated.text, file: "generated.conf")
        let id = try #require(ResourceID(GeneratedConfiguration.id))
        #expect(plan.scope == (generated.agent == .l3 ? .router(id) : .network(id)))
        #expect(plan.headerFamily == (generated.agent == .ovn ? .ovn : .neutron))
        #expect(plan.binds.map(\.description) == generated.binds)
        #expect(plan.socketPath == GeneratedConfiguration.socket)
        #expect(plan.user == "neutron")
        #expect(plan.group == "neutron")
        #expect(plan.pidFile == generated.pidFile)
        #expect(plan.isDaemon)
        #expect(plan.connectionsMax == 1_024)
        #expect(plan.connectRetries == 3)
        #expect(
            plan.logTag == (generated.hasLogTag ? "haproxy-metadata-proxy-\(GeneratedConfiguration.id)" : "haproxy")
        )
        #expect(plan.logs.map(\.path) == ["/dev/log"])
        #expect(plan.logs.map(\.facility) == [16])
        #expect(plan.logs.map(\.level) == [6])
        #expect(plan.logsRequests)
        #expect(plan.omitsSilentConnections)
        var timeouts = HaproxyTimeouts()
        (timeouts.httpRequest, timeouts.connect, timeouts.client) = (30_000, 30_000, 32_000)
        (timeouts.server, timeouts.httpKeepAlive) = (32_000, 30_000)
        #expect(plan.timeouts == timeouts)
        #expect((plan.rateLimit == nil) == (generated.limits == nil))
        // Only the threads, of all that is written.
        #expect(plan.notices.map(\.message) == (generated.release >= .r2025x2 ? ["'nbthread' is ignored."] : []))
    }

    @Test func tableIsComplete() {
        // 19 releases: L3 and DHCP in all, OVN in 14; with IPv6 13 and 13 and 6; with limits 7 × 6, less OVN's IPv6 in 2023.2.
        #expect(GeneratedConfiguration.all.count == 19 + 19 + 14 + 13 + 13 + 6 + (7 * 6 - 1))
    }

    /// Carriage returns, tabs and no indentation change nothing.
    @Test(arguments: ["\r\n", "\n\n  \n", " # a comment with 'one quote\n"])
    func layoutDoesNotMatter(_ lineEnd: String) throws {
        let text = try configuration("2023.2-l3-limits.conf")
        let plan = try HaproxyPlan(text: text, file: "a")
        var other = ""
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            other += "\t" + line.split(separator: " ").joined(separator: " \t ") + lineEnd
        }
        let same = try HaproxyPlan(text: other, file: "a")
        #expect(same.binds == plan.binds)
        #expect(same.scope == plan.scope)
        #expect(same.rateLimit == plan.rateLimit)
        #expect(same.timeouts == plan.timeouts)
        #expect(same.pidFile == plan.pidFile)
    }

    /// The files kept as text: name, what must be found.
    @Test(arguments: [
        ("pike-l3.conf", "router neutron [0.0.0.0:9697] haproxy"),
        ("queens-dhcp.conf", "network neutron [0.0.0.0:80] tag"),
        ("stein-dhcp.conf", "network neutron [169.254.169.254:80] tag"),
        ("train-l3.conf", "router neutron [0.0.0.0:9697] tag"),
        ("ussuri-ovn.conf", "network ovn [169.254.169.254:80] haproxy"),
        ("ussuri-dhcp.conf", "network neutron [169.254.169.254:80] tag"),
        ("victoria-l3-ipv6.conf", "router neutron [[::]:9697] tag"),
        (
            "victoria-dhcp-ipv6.conf",
            "network neutron [169.254.169.254:80, [fe80::a9fe:a9fe]:80 interface tap3f0a1b2c-4d] tag"
        ),
        ("zed-ovn.conf", "network ovn [169.254.169.254:80] tag"),
        ("2023.2-l3-limits.conf", "router neutron [[::]:9697] tag limited"),
        ("2024.1-ovn-ipv6.conf", "network ovn [169.254.169.254:80, [fe80::a9fe:a9fe]:80 interface tap3f0a1b2c-41] tag"),
        ("2025.2-l3.conf", "router neutron [0.0.0.0:9697] tag"),
        (
            "2026.2-dhcp-ipv6.conf",
            "network neutron [169.254.169.254:80, [fe80::a9fe:a9fe]:80 interface tap3f0a1b2c-4d] tag"
        ),
        (
            "2026.2-ovn-limits.conf",
            "network ovn [169.254.169.254:80, [fe80::a9fe:a9fe]:80 interface tap3f0a1b2c-41] tag limited"
        ),
    ])
    func keptFiles(_ name: String, _ expected: String) throws {
        let plan = try HaproxyPlan(text: configuration(name), file: name)
        let kind = if case .router = plan.scope { "router" } else { "network" }
        let binds = plan.binds.map(\.description).joined(separator: ", ")
        let tag = plan.logTag == "haproxy" ? "haproxy" : "tag"
        #expect(plan.logs.map(\.level) == [name == "stein-dhcp.conf" ? 7 : 6])
        let limited = plan.rateLimit == nil ? "" : " limited"
        #expect("\(kind) \(plan.headerFamily) [\(binds)] \(tag)\(limited)" == expected)
    }

    @Test func timeoutsOf2026() throws {
        let plan = try HaproxyPlan(text: configuration("2026.2-dhcp-ipv6.conf"), file: "a")
        #expect(plan.timeouts.httpRequest == 20_000)
        #expect(plan.timeouts.connect == 5_000)
        #expect(plan.timeouts.client == 62_000)
        #expect(plan.timeouts.server == 62_000)
        #expect(plan.timeouts.httpKeepAlive == 10_000)
    }

    @Test func limitsOf2026() throws {
        let limit = try #require(HaproxyPlan(text: configuration("2026.2-ovn-limits.conf"), file: "a").rateLimit)
        #expect(limit.addressFamily == .ipv6)
        #expect(limit.windows.map(\.milliseconds) == [60_000, 5_000])
        #expect(limit.windows.map(\.requestsMax) == [120, 20])
        #expect(limit.windows.map(\.entriesMax) == [10_240, 10_240])
        #expect(limit.windows.map(\.expiryMilliseconds) == [60_000, 60_000])
    }
}
