import MetadataModel
import Testing

@testable import Inventory

@Suite struct InventoryErrorTests {
    /// What is wrong with the text, without the file name.
    private func problems(_ text: String) -> [String] {
        do {
            _ = try InventoryFile.parse(text, path: "f")
            return []
        } catch {
            return error.problems.map { String($0.description.dropFirst(2)) }
        }
    }

    @Test func everyMistakeIsListedInOrderWithLineAndKey() {
        let text = """
            networks:
              lab:
                cidr: 10.0.0.0/24
                gatway: 10.0.0.1
            instances:
              web:
                uuid: 12
                ports:
                  - network: lab
                    fixed_ip: "10.0.0"
                  - network: lob
              db:
                fixed_ip: 10.0.1.1
                launch_index: -1
            """
        #expect(
            problems(text) == [
                #"4: networks[lab].gatway: unknown key, did you mean "gateway"?"#,
                #"7: instances[web].uuid: not a UUID like \#(NameBasedID.uuid("example")): "12""#,
                #"10: instances[web].ports[0].fixed_ip: not an address: "10.0.0""#,
                #"11: instances[web].ports[1].network: there is no network "lob", did you mean "lab"?"#,
                #"13: instances[db].fixed_ip: 10.0.1.1 is in no subnet of network "lab""#,
                #"14: instances[db].launch_index: not a whole number from 0 to 2147483647: "-1""#,
            ]
        )
    }

    @Test func descriptionNamesTheFile() {
        do {
            _ = try InventoryFile.parse("instance: {}", path: "examples/lab.yaml")
            Issue.record("accepted")
        } catch {
            #expect(error.code == .invalid)
            #expect(error.description == #"examples/lab.yaml:1: instance: unknown key, did you mean "instances"?"#)
        }
    }

    @Test func mistakeInDefaultsIsListedOnce() {
        let text = "defaults: {project: a b}\ninstances: {one: , two: }"
        #expect(problems(text).count == 1)
    }

    @Test(arguments: [
        (
            "networks: {n: }\ninstances:\n  a: {fixed_ip: 10.0.0.1}\n  b: {fixed_ip: 10.0.0.1}",
            "4: instances[b].fixed_ip: the address 10.0.0.1 on this network is already that of instances[a].fixed_ip"
        ),
        (
            "networks: {n: }\ninstances:\n  a: {mac: fa:16:3e:00:00:01}\n  b: {mac: FA:16:3E:00:00:01}",
            "4: instances[b].mac: the MAC address fa:16:3e:00:00:01 on this network is already that of "
                + "instances[a].mac"
        ),
        (
            "instances:\n  a: {uuid: 7a9c2f9e-3d1b-4f53-8a51-0e6f2c5d9b10}\n"
                + "  b: {uuid: 7A9C2F9E-3d1b-4f53-8a51-0e6f2c5d9b10}",
            "3: instances[b].uuid: the id 7a9c2f9e-3d1b-4f53-8a51-0e6f2c5d9b10 is already that of instances[a].uuid"
        ),
        ("networks:\n  a: {id: x}\n  b: {id: x}", "3: networks[b].id: the id x is already that of networks[a].id"),
        (
            "networks: {n: }\nlisteners:\n- {listen: 127.0.0.1:80, network: n}\n- {listen: 127.0.0.1:80, network: n}",
            "4: listeners[1].listen: this is already listened to by listeners[0].listen"
        ),
        ("networks:\n  a:\n  a:", "2: the key \"a\" is there twice"),
    ])
    func duplicatesAreRefused(text: String, problem: String) {
        #expect(problems(text) == [problem])
    }

    @Test func oneAddressOnTwoNetworksIsLegal() {
        let text = """
            networks: {a: , b: }
            instances:
              one: {network: a, fixed_ip: 10.0.0.1, mac: "fa:16:3e:00:00:01"}
              two: {network: b, fixed_ip: 10.0.0.1, mac: "fa:16:3e:00:00:01"}
            """
        #expect(problems(text) == [])
    }

    @Test(arguments: [
        ("networks: 7", "1: networks: not a mapping: \"7\""),
        ("networks: {n: {mtu: 67}}", "1: networks[n].mtu: not a whole number from 68 to 65535: \"67\""),
        (
            "networks: {n: {cidr: 10.0.0.1/24}}",
            "1: networks[n].cidr: has bits beyond its length, "
                + "meant is perhaps 10.0.0.0/24: \"10.0.0.1/24\""
        ),
        (
            "networks: {n: {cidr: 10.0.0.0/33}}",
            "1: networks[n].cidr: not a block of addresses like 10.0.0.0/24: "
                + "\"10.0.0.0/33\""
        ),
        ("networks: {n: {dns: [1.1.1.1]}}", "1: networks[n]: \"cidr\" is missing"),
        (
            "networks: {n: {cidr: 10.0.0.0/24, gateway: 10.0.1.1}}",
            "1: networks[n].gateway: 10.0.1.1 is outside of 10.0.0.0/24"
        ),
        (
            "networks: {n: {cidr: 10.0.0.0/24, ipv6_address_mode: slaac}}",
            "1: networks[n].ipv6_address_mode: 10.0.0.0/24 is an IPv4 subnet"
        ),
        (
            "networks: {n: {cidr: 10.0.0.0/24, subnets: [10.0.1.0/24]}}",
            "1: networks[n].cidr: belongs into \"subnets\", or leave \"subnets\" out"
        ),
        (
            "networks: {n: {subnets: [{cidr: 10.0.0.0/24, dhcp: perhaps}]}}",
            "1: networks[n].subnets[0].dhcp: not true or false: \"perhaps\""
        ),
        (
            "instances: {i: {fixed_ip: 10.0.0.1}}",
            "1: instances[i]: \"network\" is missing and the lab has 0 networks"
        ),
        (
            "networks: {n: }\ninstances: {i: {fixed_ip: 10.0.0.1, ports: []}}",
            "2: instances[i].fixed_ip: belongs into \"ports\", or leave \"ports\" out"
        ),
        ("instances: {i: {keys: [alice]}}", "1: instances[i].keys[0]: there is no key \"alice\""),
        (
            "keys: {a: ssh-ed25519}",
            "1: keys[a]: not a public key on one line, like "
                + "\"ssh-ed25519 AAAA... alice@example\""
        ),
        (
            "instances: {i: {user_data: a, user_data_base64: Yg==}}",
            "1: instances[i]: only one of user_data, user_data_base64 can be given"
        ),
        ("instances: {i: {user_data_base64: '???'}}", "1: instances[i].user_data_base64: not base64"),
        ("instances: {i: {user_data: {a: b}}}", "1: instances[i].user_data: not text: this is a mapping"),
        ("instances: {i: {hostname: 'a b'}}", "1: instances[i].hostname: not a host name: \"a b\""),
        (
            "vendor_data: {static: [1]}",
            "1: vendor_data.static: not a mapping; \"none\" turns vendor_data.json off"
        ),
        (
            "vendor_data: {dynamic: {static: 1}}",
            "1: vendor_data.dynamic[static]: the name \"static\" is taken by the static vendor data"
        ),
        (
            "listeners: [{listen: 127.0.0.1:80}]",
            "1: listeners[0]: \"network\" or \"router\" is missing: who is listened to here?"
        ),
        (
            "networks: {n: }\nlisteners: [{listen: '::1:80', network: n}]",
            "2: listeners[0].listen: not an address and port like 127.0.0.1:8169 or [::1]:8169: \"::1:80\""
        ),
        ("routers: {r: {networks: [n]}}", "1: routers[r].networks[0]: there is no network \"n\""),
        ("", "1: describes no lab: expected keys like \"networks\" and \"instances\""),
        ("- a", "1: describes no lab: expected keys like \"networks\" and \"instances\""),
    ])
    func mistakeIsExplained(text: String, problem: String) {
        #expect(problems(text) == [problem])
    }

    @Test func privateKeyIsRefusedAndNotShown() {
        let text = "keys:\n  a: |\n    -----BEGIN OPENSSH PRIVATE KEY-----\n    SECRET\n"
        #expect(problems(text) == ["2: keys[a]: this is a private key; the public one belongs here"])
    }

    @Test(arguments: [
        "a: [b", "a: b: c", "a: \"b", "\ta: b", "a: {b", "a: !<", "%YAML 9.9\n---\na: 1", "a: 1\n---\nb: 1",
    ])
    func brokenYAMLIsRefusedWithALine(text: String) throws {
        let error = #expect(throws: InventoryError.self) { _ = try InventoryFile.parse(text, path: "f") }
        #expect(error?.code == .notYAML)
        #expect(error?.problems.first?.line != nil)
    }

    @Test func problemsBeyondAHundredAreCounted() {
        let keys = (0..<150).map { "wrong\($0): 1" }.joined(separator: "\n")
        let listed = problems(keys)
        #expect(listed.count == 101)
        #expect(listed.contains(" 50 more problems are not listed"))
    }

    // MARK: Bounds

    @Test func aliasesAreRefusedWithTheirLine() {
        let refusal = "YAML aliases are not accepted; put what instances share under \"defaults\" or \"keys\""
        #expect(problems("a: &x 1\nb: *x") == ["2: \(refusal)"])
        #expect(problems("a: &x [1]\n*x : 2") == ["2: \(refusal)"])
        #expect(problems("a: &x {b: 1}\nc:\n  <<: *x\nd: [*x]") == ["3: \(refusal)", "4: \(refusal)"])
    }

    /// Ten lines that stand for 10^9 scalars, as values and, what is worse, as a key that must be hashed.
    @Test(.timeLimit(.minutes(1)), arguments: ["z: *i", "? *i\n: 1"])
    func aliasBombsAreRefusedAtOnce(use: String) {
        var text = "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        for (name, inner) in zip("bcdefghi", "abcdefgh") {
            text += "\(name): &\(name) [\(Array(repeating: "*\(inner)", count: 10).joined(separator: ", "))]\n"
        }
        #expect(problems(text + use).first?.contains("aliases are not accepted") == true)
    }

    @Test func starsThatAreNoAliasesAreLeftAlone() throws {
        let lab = try InventoryFile.parse(
            """
            # *not an alias
            instances:
              i:
                meta: {a: "*x", b: 2 * 3, "c*": 'd*', "c\u{E000}": 1}
                user_data: |
                  *x
                  &y

            """,
            path: "f"
        )
        #expect(lab.instances[0].meta.map(\.value) == ["*x", "2 * 3", "d*", "1"])
        #expect(lab.instances[0].meta.map(\.name) == ["a", "b", "c*", "c\u{E000}"])
        #expect(lab.instances[0].userData == Array("*x\n&y\n".utf8))
    }

    @Test func deepNestingIsRefused() {
        let text = "a: " + String(repeating: "[", count: 5000) + String(repeating: "]", count: 5000)
        #expect(problems(text).first?.contains("nesting") == true)
    }

    @Test func textBeyondSixteenMebibytesIsRefused() throws {
        let text = "# " + String(repeating: "x", count: BoundedFile.bytesMax - 1)
        #expect(problems(text) == [" is larger than 16 MiB"])
    }
}
