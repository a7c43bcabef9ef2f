import Inventory
import MetadataModel
import Testing

@testable import NovaMetadata

/// Instances from inventory text, and answers in few words.
enum Fixture {
    static let key = "ssh-ed25519 AAAA alice"

    /// An instance with a bit of everything.
    static let full = """
        dhcp_domain: lab.example
        keys: {alice: \(key)}
        vendor_data: {static: {a: "\\u00e9"}, dynamic: {rack: {n: 1}}}
        networks:
          lab: {id: net-lab, cidr: 10.0.0.0/24}
        instances:
          web:
            uuid: 7a9c2f9e-3d1b-4f53-8a51-0e6f2c5d9b10
            project: 8f1d7e0c5b6a4f3e9d2c1b0a99887766
            keys: [alice]
            meta: {role: front}
            security_groups: [default, http]
            user_data: "#!/bin/sh"
            fixed_ip: 10.0.0.5
            floating_ip: 203.0.113.9
            block_devices: {root: /dev/vda, ephemeral: /dev/vdb, swap: /dev/vdc, volumes: [/dev/vde, /dev/vdd]}
            ec2:
              ami_id: ami-00000001
              instance_id: i-0000002a
              kernel_id: aki-00000002
              ramdisk_id: ari-00000003
              reservation_id: r-abcdefgh
        """

    static let bare = "dhcp_domain: ''\ninstances: {bare: {availability_zone: null}}"

    static func tree(_ text: String) throws -> MetadataTree {
        let inventory = try InventoryFile.parse(text, path: "fixture.yaml")
        return MetadataTree(try #require(inventory.instances.first), in: inventory)
    }

    static let today = UTCDay(secondsSince1970: 1_790_000_000)
}

/// Always the same number, so that documents can be compared.
struct ConstantRandom: RandomNumberGenerator {
    mutating func next() -> UInt64 { 0 }
}

extension MetadataTree {
    func get(_ target: String, method: String = "GET", today: UTCDay = Fixture.today) throws -> MetadataAnswer {
        var random = ConstantRandom()
        return try answer(
            MetadataRequest(method: method, target: target),
            today: today,
            passwords: InMemoryPasswordStore(),
            random: &random
        )
    }

    /// The body of a 200 as text; `404` and so on for other answers.
    func text(_ target: String) throws -> String {
        let answer = try get(target)
        return answer.status == 200 ? String(decoding: answer.body, as: UTF8.self) : String(answer.status)
    }
}
