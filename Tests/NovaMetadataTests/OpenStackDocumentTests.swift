import Inventory
import Testing

@testable import NovaMetadata

@Suite struct OpenStackDocumentTests {
    private static let beginning =
        #"""
        {"uuid": "7a9c2f9e-3d1b-4f53-8a51-0e6f2c5d9b10", "meta": {"role": "front"}, \#
        "public_keys": {"alice": "ssh-ed25519 AAAA alice"}, \#
        "keys": [{"name": "alice", "type": "ssh", "data": "ssh-ed25519 AAAA alice"}], \#
        "hostname": "web.lab.example", "name": "web", "launch_index": 0, "availability_zone": "nova"
        """#
    private static let seed = #", "random_seed": "\#(String(repeating: "A", count: 683))=""#
    private static let project = #", "project_id": "8f1d7e0c5b6a4f3e9d2c1b0a99887766""#

    @Test(arguments: [
        ("2012-08-10", beginning + "}"),
        ("2013-04-04", beginning + seed + "}"),
        ("2013-10-17", beginning + seed + "}"),
        ("2015-10-15", beginning + seed + project + "}"),
        ("2016-06-30", beginning + seed + project + #", "devices": []}"#),
        ("2018-08-27", beginning + seed + project + #", "devices": []}"#),
        ("2020-10-14", beginning + seed + project + #", "devices": [], "dedicated_cpus": []}"#),
        ("latest", beginning + seed + project + #", "devices": [], "dedicated_cpus": []}"#),
    ])
    func metaDataHasWhatTheVersionKnows(version: String, document: String) throws {
        let answer = try Fixture.tree(Fixture.full).get("/openstack/\(version)/meta_data.json")
        #expect(String(decoding: answer.body, as: UTF8.self) == document)
        #expect(answer.contentType == "application/json")
    }

    @Test func bareInstanceHasNoOptionalMembers() throws {
        let tree = try Fixture.tree(Fixture.bare)
        let document =
            #"""
            {"uuid": "\#(tree.instance.id)", "hostname": "bare", "name": "bare", "launch_index": 0, \#
            "availability_zone": null}
            """#
        #expect(try tree.text("/openstack/2012-08-10/meta_data.json") == document)
    }

    /// 512 bytes, new at each read: cloud-init feeds them to the kernel.
    @Test func randomSeedComesFromTheSource() throws {
        struct Counter: RandomNumberGenerator {
            var count: UInt64 = 0
            mutating func next() -> UInt64 {
                count += 1
                return count
            }
        }
        let tree = try Fixture.tree(Fixture.bare)
        var random = Counter()
        let seeds = try (0..<2).map { _ in
            let answer = try tree.answer(
                MetadataRequest(target: "/openstack/latest/meta_data.json"),
                today: Fixture.today,
                passwords: InMemoryPasswordStore(),
                random: &random
            )
            let text = String(decoding: answer.body, as: UTF8.self)
            return try #require(text.firstMatch(of: /"random_seed": "([^"]*)"/)).output.1
        }
        #expect(random.count == 128)
        #expect(seeds[0] != seeds[1])
        #expect(seeds[0].count == 684)
        #expect(seeds[0].hasPrefix("AQAAAAAAAAACAAAAAAAAAAMAAAA"))
    }

    @Test func filesAndNetworkConfigAreContents() throws {
        let tree = try Fixture.tree(
            """
            instances:
              i:
                network_config: auto lo
                files: [{path: /a, content: one}, {path: /b, content_base64: AAH/}]
            """
        )
        let document = try tree.text("/openstack/2012-08-10/meta_data.json")
        let expected = #"""
            , "files": [{"path": "/a", "content_path": "/content/0001"}, \#
            {"path": "/b", "content_path": "/content/0002"}], \#
            "network_config": {"name": "network_config", "content_path": "/content/0000"}, "hostname"
            """#
        #expect(document.contains(expected))
        #expect(try tree.text("/openstack/content/0000") == "auto lo")
        #expect(try tree.text("/openstack/content/0001") == "one")
        #expect(try tree.get("/openstack/content/0002").body == [0, 1, 255])
        #expect(try tree.get("/openstack/content/0002").contentType == "text/plain; charset=UTF-8")
        for name in ["0003", "1", "00001", "-001", "0000/x"] {
            #expect(try tree.text("/openstack/content/\(name)") == "404")
        }
    }

    private static let devices = """
        networks: {n: }
        instances:
          i:
            dedicated_cpus: [7, 2]
            ports:
              - {mac: "fa:16:3e:00:00:01", bus: pci, bus_address: "0000:00:02.0", tags: [a, b]}
              - {mac: "fa:16:3e:00:00:02", vlan: 100}
              - {mac: "fa:16:3e:00:00:03", vf_trusted: true}
              - {mac: "fa:16:3e:00:00:04"}
            disks: [{bus: scsi, bus_address: "1:0:2:0", serial: s1, path: /dev/sda, tags: [d]}, {bus: ide}]
            shares: [{id: share-1, tag: home, bus: pci, bus_address: "0000:00:05.0"}]
        """

    @Test(arguments: [
        ("2016-06-30", ["1", "disks"]), ("2017-02-22", ["1", "2", "disks"]),
        ("2018-08-27", ["1t", "2t", "3t", "disks"]), ("2025-04-04", ["1t", "2t", "3t", "disks", "share"]),
    ])
    func devicesAreThoseTheVersionKnows(version: String, parts: [String]) throws {
        let nic = { (number: Int, middle: String, bus: String) in
            #"{\#(middle)"type": "nic", "mac": "fa:16:3e:00:00:0\#(number)", \#(bus)}"#
        }
        let pci = #""bus": "pci", "address": "0000:00:02.0", "tags": ["a", "b"]"#
        let none = #""bus": "none", "address": "none""#
        let texts = [
            "1": nic(1, "", pci),
            "2": nic(2, #""vlan": 100, "#, none),
            "1t": nic(1, #""vf_trusted": false, "#, pci),
            "2t": nic(2, #""vlan": 100, "vf_trusted": false, "#, none),
            "3t": nic(3, #""vf_trusted": true, "#, none),
            "disks": #"""
            {"type": "disk", "serial": "s1", "path": "/dev/sda", "bus": "scsi", "address": "1:0:2:0", \#
            "tags": ["d"]}, {"type": "disk", "bus": "ide", "address": "none"}
            """#,
            "share": #"""
            {"type": "share", "share_id": "share-1", "tag": "home", "bus": "pci", \#
            "address": "0000:00:05.0"}
            """#,
        ]
        let document = try Fixture.tree(Self.devices).text("/openstack/\(version)/meta_data.json")
        let expected = parts.map { texts[$0, default: "?"] }.joined(separator: ", ")
        #expect(document.contains(#""devices": [\#(expected)]"#))
        #expect(document.contains(#""dedicated_cpus": [2, 7]"#) == (version >= "2020-10-14"))
    }

    // MARK: Vendor data

    @Test func vendorDataIsStaticAndDynamic() throws {
        let tree = try Fixture.tree(Fixture.full)
        #expect(try tree.text("/openstack/2013-10-17/vendor_data.json") == #"{"a": "\u00e9"}"#)
        #expect(
            try tree.text("/openstack/2016-10-06/vendor_data2.json")
                == #"{"static": {"a": "\u00e9"}, "rack": {"n": 1}}"#
        )
        for name in ["vendor_data.json", "vendor_data2.json"] {
            #expect(try tree.get("/openstack/latest/\(name)").contentType == "application/json")
        }
    }

    @Test func vendorDataIsAnEmptyObjectByDefault() throws {
        let tree = try Fixture.tree(Fixture.bare)
        #expect(try tree.text("/openstack/latest/vendor_data.json") == "{}")
        #expect(try tree.text("/openstack/latest/vendor_data2.json") == #"{"static": {}}"#)
    }

    @Test func staticVendorDataCanBeTurnedOff() throws {
        let tree = try Fixture.tree("vendor_data: {static: none}\ninstances: {i: }")
        #expect(try tree.text("/openstack/latest/vendor_data.json") == "404")
        #expect(try tree.text("/openstack/latest/vendor_data2.json") == "{}")
    }
}
