import Foundation
import InstanceDirectory
import MetadataModel
import Testing

@Suite struct PortMatchTests {
    private let address = IPAddress.v4(0x0A00_0005)

    private func networks(_ names: String...) throws -> Set<ResourceID> {
        Set(try names.map { try #require(ResourceID($0)) })
    }

    private func port(
        _ id: String = "p",
        _ device: String = "vm",
        network: String? = "net-a",
        project: String? = "project-a",
        tenant: String? = nil,
        addresses: [String] = ["10.0.0.5"]
    ) -> PortRecord {
        PortRecord(
            id: id,
            deviceID: device,
            deviceOwner: "compute:nova",
            projectID: project,
            tenantID: tenant,
            networkID: network,
            macAddress: "fa:16:3e:00:00:05",
            fixedIPs: addresses
        )
    }

    private func find(_ ports: PortRecord...) throws -> Finding {
        PortMatch.finding(for: .fixedIP(address), in: try networks("net-a", "net-b"), ports: ports)
    }

    @Test func onePortIsTheInstance() throws {
        #expect(try find(port()) == .instance(instance("vm")))
    }

    @Test func noPortAndPortsElsewhereAreNobody() throws {
        #expect(try find() == .nobody(.noPort))
        #expect(try find(port(network: "net-c")) == .nobody(.noPort))
        #expect(try find(port(network: nil)) == .nobody(.noPort))
        #expect(try find(port(addresses: ["10.0.0.50"])) == .nobody(.noPort))
    }

    @Test func sameAddressOnAForeignNetworkDoesNotConfuse() throws {
        #expect(try find(port("p1", "other", network: "net-c"), port("p2")) == .instance(instance("vm")))
    }

    @Test func severalPortsAreRefused() throws {
        #expect(try find(port("p1", "a"), port("p2", "b", network: "net-b")) == .nobody(.severalPorts(count: 2)))
        #expect(try find(port("p1", "a"), port("p2", "a")) == .nobody(.severalPorts(count: 2)))
    }

    @Test func portShownByTwoPagesCountsOnce() throws {
        #expect(try find(port("p1"), port("p1")) == .instance(instance("vm")))
    }

    @Test func serverThatIgnoresTheAddressFilterGivesNoForeignPort() throws {
        let all = (1...20).map { port("p\($0)", "vm\($0)", addresses: ["10.0.0.\($0)"]) }
        let finding = PortMatch.finding(for: .fixedIP(address), in: try networks("net-a"), ports: all)
        #expect(finding == .instance(try instance("vm5")))
    }

    @Test func portWithoutUsableDeviceOrProjectIsNoInstance() throws {
        #expect(try find(port("p", "")) == .nobody(.portWithoutInstance))
        #expect(try find(port("p", "two words")) == .nobody(.portWithoutInstance))
        #expect(try find(port(project: nil)) == .nobody(.portWithoutInstance))
        #expect(try find(port(project: "", tenant: "")) == .nobody(.portWithoutInstance))
    }

    // 2026.1's agent reads project_id only, servers before Newton send tenant_id only.
    @Test(
        arguments: [
            ("new", nil, "new"), (nil, "old", "old"), ("", "old", "old"), ("new", "old", "new"),
        ] as [(String?, String?, String)]
    )
    func projectIsReadUnderBothNames(project: String?, tenant: String?, expected: String) throws {
        let finding = try find(port(project: project, tenant: tenant))
        #expect(finding == .instance(try instance("vm", project: expected)))
    }

    @Test func addressIsComparedAsAnAddress() throws {
        let v6 = try #require(IPAddress("2001:db8::5"))
        let spelled = port(addresses: ["10.0.0.1", "2001:DB8:0:0::5"])
        let finding = PortMatch.finding(for: .fixedIP(v6), in: try networks("net-a"), ports: [spelled])
        #expect(finding == .instance(try instance("vm")))
    }

    // LP 1460177: guests that speak from their link-local address.
    @Test func macIsComparedInAnyCase() throws {
        var shouting = port()
        shouting.macAddress = "FA:16:3E:00:00:05"
        let mac = try #require(MACAddress("fa:16:3e:00:00:05"))
        #expect(
            PortMatch.finding(for: .mac(mac), in: try networks("net-a"), ports: [shouting])
                == .instance(try instance("vm"))
        )
        shouting.macAddress = nil
        #expect(PortMatch.finding(for: .mac(mac), in: try networks("net-a"), ports: [shouting]) == .nobody(.noPort))
    }

    // LP 1353271: distributed routers; highly available ones since Newton.
    @Test func routerJoinsItsNetworksByAllThreeKindsOfInterface() throws {
        let router = try #require(ResourceID("router-a"))
        func interface(_ owner: String, _ network: String?, of device: String = "router-a") -> PortRecord {
            PortRecord(deviceID: device, deviceOwner: owner, networkID: network)
        }
        let ports = [
            interface("network:router_interface", "net-a"),
            interface("network:router_interface_distributed", "net-b"),
            interface("network:ha_router_replicated_interface", "net-c"),
            interface("network:router_gateway", "external"),
            interface("network:router_interface", "net-d", of: "router-b"),
            interface("network:router_interface", nil),
            interface("network:router_interface", "net-a"),
        ]
        #expect(PortMatch.networks(of: router, in: ports) == (try networks("net-a", "net-b", "net-c")))
        #expect(PortMatch.networks(of: router, in: []).isEmpty)
    }

    @Test func recordIsReadFromTheServersJSON() throws {
        let json = """
            {"id": "p", "device_id": "vm", "device_owner": "compute:nova", "tenant_id": "t", "network_id": "n",
             "mac_address": "fa:16:3e:00:00:05", "status": "ACTIVE", "binding:profile": {}, "name": null,
             "fixed_ips": [{"subnet_id": "s", "ip_address": "10.0.0.5"}, {"ip_address": "2001:db8::5"}]}
            """
        let port = try JSONDecoder().decode(PortRecord.self, from: Data(json.utf8))
        #expect(
            port
                == PortRecord(
                    id: "p",
                    deviceID: "vm",
                    deviceOwner: "compute:nova",
                    tenantID: "t",
                    networkID: "n",
                    macAddress: "fa:16:3e:00:00:05",
                    fixedIPs: ["10.0.0.5", "2001:db8::5"]
                )
        )
        let empty = try JSONDecoder().decode(PortRecord.self, from: Data(#"{"device_id": null}"#.utf8))
        #expect(empty == PortRecord())
        for broken in [#"{"device_id": 5}"#, #"{"fixed_ips": "10.0.0.5"}"#, #"[]"#] {
            #expect(throws: DecodingError.self) {
                try JSONDecoder().decode(PortRecord.self, from: Data(broken.utf8))
            }
        }
    }
}
