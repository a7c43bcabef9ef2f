import MetadataModel
import Testing

@testable import Inventory

@Suite struct IPPrefixTests {
    @Test(arguments: [
        ("10.0.0.0/8", "10.0.0.0/8", "255.0.0.0", "10.0.0.1"),
        ("10.1.2.3/20", "10.1.0.0/20", "255.255.240.0", "10.1.0.1"),
        ("0.0.0.0/0", "0.0.0.0/0", "0.0.0.0", "0.0.0.1"),
        ("10.0.0.4/30", "10.0.0.4/30", "255.255.255.252", "10.0.0.5"),
        ("10.0.0.5/32", "10.0.0.5/32", "255.255.255.255", "nil"),
        ("2001:db8::1/64", "2001:db8::/64", "ffff:ffff:ffff:ffff::", "2001:db8::1"),
        ("2001:db8::ffff/120", "2001:db8::ff00/120", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ff00", "2001:db8::ff01"),
        ("2001:db8::/32", "2001:db8::/32", "ffff:ffff::", "2001:db8::1"),
        ("::/0", "::/0", "::", "::1"),
        ("::1/128", "::1/128", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "nil"),
    ])
    func prefixIsParsed(text: String, description: String, netmask: String, firstHost: String) throws {
        let prefix = try #require(IPPrefix(text))
        #expect(prefix.description == description)
        #expect(prefix.netmask.description == netmask)
        #expect(prefix.firstHost?.description ?? "nil" == firstHost)
        #expect(prefix.contains(prefix.network))
    }

    @Test(arguments: ["", "/", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/+8", "10.0.0.0/8/8", "::/129", "x/8"])
    func otherTextIsRefused(text: String) {
        #expect(IPPrefix(text) == nil)
    }

    @Test func containsComparesFamilies() throws {
        let all4 = try #require(IPPrefix("0.0.0.0/0"))
        let one = try #require(IPPrefix("10.0.0.0/31"))
        #expect(all4.contains(.v4(7)))
        #expect(!all4.contains(.v6(high: 0, low: 7)))
        #expect(one.contains(.v4(0x0A00_0001)))
        #expect(!one.contains(.v4(0x0A00_0002)))
    }
}
