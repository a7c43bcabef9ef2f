import MetadataModel
import OsloMessaging
import Testing

@testable import NeutronRPC

@Suite struct PortFiltersTests {
    private func ids(_ names: String...) throws -> Set<ResourceID> {
        Set(try names.map { try #require(ResourceID($0)) })
    }

    @Test func interfacesOfARouterAreAskedForByAllThreeOwners() throws {
        let filters = PortFilters.interfaces(of: try #require(ResourceID("router-a")))
        #expect(
            filters == [
                "device_id": ["router-a"],
                "device_owner": [
                    "network:router_interface", "network:router_interface_distributed",
                    "network:ha_router_replicated_interface",
                ],
            ]
        )
    }

    @Test(arguments: [("10.0.0.5", "10.0.0.5"), ("2001:DB8:0::5", "2001:db8::5"), ("fd00::0a9f", "fd00::a9f")])
    func portOfAnAddressIsAskedForAsTheServerWritesIt(address: String, text: String) throws {
        let filters = PortFilters.ports(of: try networkClaim(address).subject, in: try ids("net-b", "net-c", "net-a"))
        #expect(
            filters == ["fixed_ips": ["ip_address": [.string(text)]], "network_id": ["net-a", "net-b", "net-c"]]
        )
    }

    // The MAC takes the address's place: no port has a link-local address among its fixed IPs.
    @Test func portOfALinkLocalAddressIsAskedForByItsMAC() throws {
        let claim = try networkClaim("fe80::f816:3eff:fe7d:1c3d")
        #expect(
            PortFilters.ports(of: claim.subject, in: try ids("net-a"))
                == ["mac_address": ["fa:16:3e:7d:1c:3d"], "network_id": ["net-a"]]
        )
    }

    // Servers compare JSON, not our types.
    @Test func filtersAreWrittenAsListsOfStrings() throws {
        let filters = PortFilters.ports(of: try networkClaim().subject, in: try ids("net-a"))
        #expect(
            try JSONValue.object(["ip": filters["fixed_ips"] ?? nil]).json == #"{"ip":{"ip_address":["10.0.0.5"]}}"#
        )
        #expect(try JSONValue.object(["net": filters["network_id"] ?? nil]).json == #"{"net":["net-a"]}"#)
    }
}
