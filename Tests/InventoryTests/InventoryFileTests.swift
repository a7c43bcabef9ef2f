import MetadataModel
import Testing

@testable import Inventory

@Suite struct InventoryFileTests {
    static let minimal = """
        networks:
          lab:
            cidr: 10.0.0.0/24
        instances:
          web:
            fixed_ip: 10.0.0.5
        """

    @Test func sixLinesDescribeALab() throws {
        let lab = try InventoryFile.parse(Self.minimal, path: "lab.yaml")
        let web = try #require(lab.instances.first)
        #expect(lab.dhcpDomain == "novalocal")
        #expect(web.name == "web")
        #expect(web.hostname == "web")
        #expect(web.availabilityZone == "nova")
        #expect(web.flavor == "m1.small")
        #expect(web.securityGroups == ["default"])
        #expect(web.launchIndex == 0)
        #expect(web.userData == nil)
        #expect(web.keyPairs.isEmpty)
        #expect(web.vendorData.staticObject == .object([]))
        #expect(web.blockDevices.root == nil)
        #expect(web.ec2.instanceID.hasPrefix("i-"))
        let port = try #require(web.ports.first)
        #expect(port.networkID == lab.networks.first?.id)
        #expect(port.fixedIPs == [IPAddress("10.0.0.5")])
        #expect(port.deviceName == "tap26dcc9a3-c6")
        let subnet = try #require(lab.networks.first?.subnets.first)
        #expect(subnet.gateway == IPAddress("10.0.0.1"))
        #expect(subnet.hasDHCP)
    }

    /// The expected ids were computed with Python's `uuid.uuid5`.
    @Test func missingIDsAreMadeFromNames() throws {
        let lab = try InventoryFile.parse(Self.minimal, path: "lab.yaml")
        #expect(lab.instances[0].id.description == "db92964c-c73c-5822-81ab-8a23ef1d2b75")
        #expect(lab.networks[0].id.description == "d6a44492-4595-5d3b-972c-f0ba7a85f810")
        #expect(lab.instances[0].projectID.description == "c728fe9e-8bdf-55a8-b39d-d28e1845e51d")
        #expect(lab.instances[0].ports[0].id.description == "26dcc9a3-c698-5b3e-8033-7a350c7a5d26")
        #expect(lab.instances[0].ports[0].mac.description == "fa:26:dc:c9:a3:c6")
    }

    @Test func defaultsFillWhatInstancesLeaveOut() throws {
        let lab = try InventoryFile.parse(
            """
            dhcp_domain: ""
            keys:
              alice: ssh-ed25519 AAAA alice
            networks: {lab: , other: }
            defaults:
              network: other
              project: p1
              keys: [alice]
              availability_zone: az1
              user_data: default
            instances:
              one: {fixed_ip: 10.0.0.1}
              two:
                network: lab
                fixed_ip: 10.0.0.1
                project: p2
                keys: {own: ssh-rsa BBBB}
                availability_zone: null
                user_data_base64: H4sI AAA=
              three: {user_data: , keys: , fixed_ip: 10.0.0.2}
            """,
            path: "lab.yaml"
        )
        #expect(lab.dhcpDomain == "")
        let (one, two, three) = (lab.instances[0], lab.instances[1], lab.instances[2])
        #expect(one.projectID.description == "p1")
        #expect(one.keyPairs.map(\.name) == ["alice"])
        #expect(one.availabilityZone == "az1")
        #expect(one.userData == Array("default".utf8))
        #expect(one.ports[0].networkID == lab.networks[1].id)
        #expect(two.projectID.description == "p2")
        #expect(two.keyPairs == [.init(name: "own", kind: .ssh, data: "ssh-rsa BBBB")])
        #expect(two.availabilityZone == nil)
        #expect(two.userData == [0x1F, 0x8B, 0x08, 0, 0])
        #expect(two.ports[0].networkID == lab.networks[0].id)
        #expect(three.userData == nil)
        #expect(three.keyPairs.isEmpty)
    }

    @Test(arguments: [
        ("web", "web"), ("Web Server_1.lab", "web-server-1-lab"), ("--x--", "x"), ("Café", "caf"),
        (String(repeating: "a", count: 70), String(repeating: "a", count: 63)),
    ])
    func hostNamesAreMadeFromDisplayNames(name: String, hostname: String) throws {
        let lab = try InventoryFile.parse("instances: {i: {name: \"\(name)\"}}", path: "lab.yaml")
        #expect(lab.instances[0].name == name)
        #expect(lab.instances[0].hostname == hostname)
    }

    @Test func nameWithoutUsableLettersGivesTheServersID() throws {
        let lab = try InventoryFile.parse("instances: {i: {name: \"日本\"}}", path: "lab.yaml")
        #expect(lab.instances[0].hostname == "Server-\(lab.instances[0].id)")
    }

    @Test func jsonKeepsItsOrderAndTypes() throws {
        let lab = try InventoryFile.parse(
            """
            vendor_data:
              static:
                z: 1
                a: [true, null, 1.5, "1", yes, 0644, -7, 1e3, "null"]
            instances: {i: }
            """,
            path: "lab.yaml"
        )
        #expect(
            lab.instances[0].vendorData.staticObject == [
                "z": .integer(1),
                "a": .array([
                    .boolean(true), .null, .number(1.5), "1", "yes", "0644", .integer(-7), .number(1000), "null",
                ]),
            ]
        )
    }

    @Test func instanceVendorDataIsLaidOverTheLabs() throws {
        let lab = try InventoryFile.parse(
            """
            vendor_data: {static: {a: 1}, dynamic: {x: 1, y: 2}}
            instances:
              one: {vendor_data: {dynamic: {y: 3, z: 4}}}
              two: {vendor_data: {static: none}}
            """,
            path: "lab.yaml"
        )
        #expect(lab.instances[0].vendorData.staticObject == ["a": .integer(1)])
        #expect(
            lab.instances[0].vendorData.dynamic.map { "\($0.name)=\($0.value)" } == [
                "x=integer(1)", "y=integer(3)", "z=integer(4)",
            ]
        )
        #expect(lab.instances[1].vendorData.staticObject == nil)
    }

    @Test func routersAndListenersReferByNameOrID() throws {
        let lab = try InventoryFile.parse(
            """
            networks:
              a: {id: net-a}
              b:
            routers:
              r: {networks: [net-a, b, a]}
            listeners:
              - listen: 127.0.0.1:80
                network: net-a
              - listen: "[fe80::a9fe:a9fe]:80"
                interface: br0
                router: r
            """,
            path: "lab.yaml"
        )
        #expect(lab.routers[0].networkIDs == lab.networks.map(\.id))
        #expect(lab.listeners[0].scope == .network(lab.networks[0].id))
        #expect(lab.listeners[0].port == 80)
        #expect(lab.listeners[1].scope == .router(lab.routers[0].id))
        #expect(lab.listeners[1].address == IPAddress("fe80::a9fe:a9fe"))
        #expect(lab.listeners[1].interface == "br0")
        #expect(lab.router(lab.routers[0].id)?.name == "r")
    }
}
