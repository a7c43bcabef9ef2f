import InstanceDirectory
import MetadataModel
import Synchronization
import Testing

@testable import Inventory

@Suite struct InventoryDirectoryTests {
    private static let text = """
        networks:
          a: {id: net-a}
          b: {id: net-b}
          c: {id: net-c}
        routers:
          ab: {id: r-ab, networks: [a, b]}
          none: {id: r-none}
        instances:
          one:
            project: p1
            ports:
              - {network: a, fixed_ips: [10.0.0.1, "2001:db8::1"], mac: "fa:16:3e:00:00:01"}
              - {network: c, fixed_ip: 10.0.0.9}
          two:
            project: p2
            ports:
              - {network: b, fixed_ips: [10.0.0.1, 10.0.0.2], mac: "fa:16:3e:00:00:02"}
        """

    enum Expected: Sendable { case one, two, nobody(NotFoundReason) }

    @Test(arguments: [
        ("net", "net-a", "10.0.0.1", Expected.one),
        ("net", "net-a", "2001:db8::1", .one),
        ("net", "net-b", "10.0.0.1", .two),
        ("net", "net-b", "10.0.0.2", .two),
        ("net", "net-a", "10.0.0.2", .nobody(.noPort)),
        ("net", "net-c", "10.0.0.9", .one),
        ("net", "net-x", "10.0.0.1", .nobody(.noPort)),
        ("net", "net-a", "fe80::f816:3eff:fe00:1", .one),
        ("net", "net-b", "fe80::f816:3eff:fe00:1", .nobody(.noPort)),
        ("router", "r-ab", "10.0.0.2", .two),
        ("router", "r-ab", "2001:db8::1", .one),
        ("router", "r-ab", "10.0.0.1", .nobody(.severalPorts(count: 2))),
        ("router", "r-ab", "10.0.0.9", .nobody(.noPort)),
        ("router", "r-ab", "fe80::f816:3eff:fe00:2", .two),
        ("router", "r-none", "10.0.0.1", .nobody(.routerWithoutNetworks)),
        ("router", "net-a", "10.0.0.1", .nobody(.routerWithoutNetworks)),
    ])
    func claimIsAnswered(kind: String, id: String, address: String, expected: Expected) async throws {
        let directory = try InventoryDirectory { () throws(InventoryError) in
            try InventoryFile.parse(Self.text, path: "f")
        }
        let id = try #require(ResourceID(id))
        let scope: Scope = kind == "net" ? .network(id) : .router(id)
        let guest = try #require(IPAddress(address))
        let claim = try #require(Claim(scope: scope, address: guest))
        let finding =
            switch expected {
            case .one: Finding.instance(directory.inventory.instances[0].owner)
            case .two: Finding.instance(directory.inventory.instances[1].owner)
            case .nobody(let reason): Finding.nobody(reason)
            }
        #expect(try await directory.find(claim) == finding)
    }

    @Test func theProjectIsTheInstances() async throws {
        let directory = try InventoryDirectory { () throws(InventoryError) in
            try InventoryFile.parse(Self.text, path: "f")
        }
        #expect(directory.inventory.instances[1].owner.projectID.description == "p2")
        #expect(directory.name == "inventory")
    }

    @Test func reloadReplacesEverythingOrNothing() async throws {
        let text = Mutex(InventoryFileTests.minimal)
        let directory = try InventoryDirectory { () throws(InventoryError) in
            try InventoryFile.parse(text.withLock { $0 }, path: "f")
        }
        let network = directory.inventory.networks[0].id
        let old = Claim(scope: .network(network), subject: .fixedIP(.v4(0x0A00_0005)))
        let new = Claim(scope: .network(network), subject: .fixedIP(.v4(0x0A00_0006)))
        #expect(try await directory.find(new) == .nobody(.noPort))

        text.withLock { $0 = $0.replacing("10.0.0.5", with: "10.0.0.6") }
        try directory.reload()
        #expect(try await directory.find(old) == .nobody(.noPort))
        #expect(try await directory.find(new) == .instance(directory.inventory.instances[0].owner))

        text.withLock { $0 = "networks: [" }
        #expect(throws: InventoryError.self) { try directory.reload() }
        #expect(try await directory.find(new) == .instance(directory.inventory.instances[0].owner))
    }
}
