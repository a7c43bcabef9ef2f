import Inventory
import Testing

@testable import NovaMetadata

@Suite struct NetworkDataTests {
    private func document(networks: String, ports: String, version: String = "latest") throws -> String {
        let tree = try Fixture.tree("networks:\n\(networks)\ninstances: {i: {ports: [\(ports)]}}")
        return try tree.text("/openstack/\(version)/network_data.json")
    }

    private let port = #"{network: n, id: p, mac: "fa:16:3e:00:00:01", fixed_ip: 10.0.0.5}"#

    @Test func instanceWithoutPortsGetsAnEmptyObject() throws {
        let answer = try Fixture.tree(Fixture.bare).get("/openstack/latest/network_data.json")
        #expect(answer.body == Array("{}".utf8))
        // Nova serves this one document of JSON as text, and clients parse it by its name.
        #expect(answer.contentType == "text/plain; charset=UTF-8")
    }

    @Test(arguments: ["2012-08-10", "2013-10-17", "2015-10-15", "latest"])
    func itAnswersForVersionsThatDoNotListIt(version: String) throws {
        let text = try document(networks: "  n: {id: net, cidr: 10.0.0.0/24}", ports: port, version: version)
        let expected = #"""
            {"links": [{"id": "tapp", "vif_id": "p", "type": "ovs", "mtu": null, \#
            "ethernet_mac_address": "fa:16:3e:00:00:01"}], \#
            "networks": [{"id": "network0", "type": "ipv4_dhcp", "link": "tapp", "network_id": "net"}], \#
            "services": []}
            """#
        #expect(text == expected)
    }

    @Test func staticSubnetTellsAddressRoutesAndServers() throws {
        let text = try document(
            networks: """
                  n:
                    id: net
                    mtu: 1450
                    cidr: 10.0.0.0/20
                    dhcp: false
                    dns: [10.0.0.2, 10.0.0.3]
                    routes: [{destination: 192.168.0.0/16, nexthop: 10.0.0.9}]
                """,
            ports: port
        )
        let dns = #"[{"type": "dns", "address": "10.0.0.2"}, {"type": "dns", "address": "10.0.0.3"}]"#
        #expect(text.contains(#""mtu": 1450, "#))
        let expected = #"""
            "networks": [{"id": "network0", "type": "ipv4", "link": "tapp", "ip_address": "10.0.0.5", \#
            "netmask": "255.255.240.0", "routes": [\#
            {"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.0.0.1"}, \#
            {"network": "192.168.0.0", "netmask": "255.255.0.0", "gateway": "10.0.0.9"}], \#
            "network_id": "net", "services": \#(dns)}], "services": \#(dns)}
            """#
        #expect(text.contains(expected))
    }

    @Test func subnetWithoutGatewayHasNoDefaultRoute() throws {
        let text = try document(networks: "  n: {cidr: 10.0.0.0/24, dhcp: no, gateway: none}", ports: port)
        #expect(text.contains(#""routes": [], "#))
    }

    /// An address mode goes before DHCP.
    @Test(arguments: [
        ("", "ipv6_dhcp", false), (", dhcp: false", "ipv6", true), (", ipv6_address_mode: slaac", "ipv6_slaac", true),
        (", ipv6_address_mode: dhcpv6-stateful", "ipv6_dhcpv6-stateful", true),
        (", ipv6_address_mode: dhcpv6-stateless", "ipv6_dhcpv6-stateless", true),
    ])
    func ipv6TypeFollowsTheMode(options: String, type: String, hasAddress: Bool) throws {
        let text = try document(
            networks: #"  n: {id: net, cidr: "2001:db8::/64"\#(options)}"#,
            ports: #"{id: p, fixed_ip: "2001:db8::5"}"#
        )
        let address =
            #"""
            , "ip_address": "2001:db8::5", "netmask": "ffff:ffff:ffff:ffff::", \#
            "routes": [{"network": "::", "netmask": "::", "gateway": "2001:db8::1"}]
            """#
        let rest = hasAddress ? #"\#(address), "network_id": "net", "services": []}"# : #", "network_id": "net"}"#
        #expect(text.contains(#""networks": [{"id": "network0", "type": "\#(type)", "link": "tapp"\#(rest)]"#))
    }

    /// One per family and port, of the subnets in which the port has an address; counted over all ports.
    @Test func firstSubnetOfEachFamilyCounts() throws {
        let text = try document(
            networks: """
                  n:
                    subnets:
                      - {cidr: 10.0.9.0/24, dns: [10.0.9.2]}
                      - {cidr: 10.0.0.0/24, dns: [10.0.0.2]}
                      - {cidr: 10.0.1.0/24, dns: [10.0.1.2]}
                      - {cidr: "2001:db8::/64", dns: [10.0.0.2, "2001:db8::2"]}
                  empty:
                """,
            ports: """
                {network: n, id: p0, fixed_ips: [10.0.1.5, 10.0.0.5, "2001:db8::5"]},
                {network: empty, id: p1, fixed_ip: 10.0.0.5},
                {network: n, id: p2},
                {network: n, id: p3, fixed_ip: 10.0.0.6, device_name: eth7, vif_type: unbound}
                """
        )
        #expect(
            text.matches(of: /"id": "network(\d)", "type": "(\w+)", "link": "(\w+)"/).map { "\($0.1) \($0.2) \($0.3)" }
                == ["0 ipv4_dhcp tapp0", "1 ipv6_dhcp tapp0", "2 ipv4_dhcp eth7"]
        )
        #expect(
            text.matches(of: /"id": "(\w+)", "vif_id": "(\w+)", "type": "(\w+)"/).map { "\($0.1) \($0.2) \($0.3)" }
                == ["tapp0 p0 ovs", "eth7 p3 phy"]
        )
        #expect(
            text.hasSuffix(
                #""services": [{"type": "dns", "address": "10.0.0.2"}, {"type": "dns", "address": "2001:db8::2"}]}"#
            )
        )
    }

    @Test(arguments: ["bridge", "dvs", "hw_veb", "hyperv", "ovs", "tap", "vhostuser", "vif"])
    func knownTypesAreShown(type: String) throws {
        let text = try document(networks: "  n: {cidr: 10.0.0.0/24}", ports: "{fixed_ip: 10.0.0.5, vif_type: \(type)}")
        #expect(text.contains(#""type": "\#(type)", "mtu""#))
    }
}
