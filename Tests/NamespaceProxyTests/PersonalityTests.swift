import Testing

@testable import NamespaceProxy

@Suite struct PersonalityTests {
    @Test(arguments: [
        ("haproxy", Personality.haproxy), ("/usr/lib/bellhop/haproxy", .haproxy), ("./haproxy", .haproxy),
        ("neutron-ns-metadata-proxy", .namespaceProxy), ("/usr/bin/neutron-ns-metadata-proxy", .namespaceProxy),
        ("/opt/haproxy/bin/proxy", .namespaceProxy), ("", .namespaceProxy),
    ])
    func theNameDecides(_ name: String, _ expected: Personality) throws {
        let (personality, arguments) = try #require(Personality.choose([name, "-f", "x"]))
        #expect(personality == expected)
        #expect(arguments == ["-f", "x"])
    }

    @Test func aFlagOverridesItAsTheFirstArgumentOnly() throws {
        let chosen = try #require(Personality.choose(["wrapper", "--personality=haproxy", "-f", "x"]))
        #expect(chosen.0 == .haproxy && chosen.arguments == ["-f", "x"])
        let other = try #require(Personality.choose(["/x/haproxy", "--personality=neutron-ns-metadata-proxy"]))
        #expect(other.0 == .namespaceProxy && other.arguments == [])
        #expect(Personality.choose(["haproxy", "--personality=nginx"]) == nil)
        let late = try #require(Personality.choose(["haproxy", "-c", "--personality=nginx"]))
        #expect(late.0 == .haproxy && late.arguments == ["-c", "--personality=nginx"])
    }
}
