import Inventory
import MetadataModel
import Testing

@testable import NovaMetadata

@Suite struct EC2TreeTests {
    private static let first = [
        "ami-id", "ami-launch-index", "ami-manifest-path", "hostname", "instance-id", "local-ipv4", "public-keys/",
        "reservation-id", "security-groups",
    ]

    @Test(arguments: [
        ("1.0", []),
        ("2007-01-19", ["local-hostname", "public-hostname", "public-ipv4"]),
        ("2007-03-01", ["local-hostname", "public-hostname", "public-ipv4"]),
        ("2007-08-29", ["local-hostname", "public-hostname", "public-ipv4", "instance-type"]),
        ("2007-10-10", ["local-hostname", "public-hostname", "public-ipv4", "instance-type"]),
        (
            "2007-12-15",
            [
                "local-hostname", "public-hostname", "public-ipv4", "instance-type", "block-device-mapping/",
                "kernel-id", "ramdisk-id",
            ]
        ),
        (
            "2008-02-01",
            [
                "local-hostname", "public-hostname", "public-ipv4", "instance-type", "block-device-mapping/",
                "kernel-id", "ramdisk-id", "placement/",
            ]
        ),
        (
            "2009-04-04",
            [
                "local-hostname", "public-hostname", "public-ipv4", "instance-type", "block-device-mapping/",
                "kernel-id", "ramdisk-id", "placement/", "instance-action",
            ]
        ),
    ])
    func metaDataListsWhatTheVersionKnows(version: String, added: [String]) throws {
        let expected = (Self.first + added).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        let tree = try Fixture.tree(Fixture.full)
        #expect(try tree.text("/\(version)/meta-data/") == expected.joined(separator: "\n"))
        #expect(try tree.text("/\(version)/meta-data") == expected.joined(separator: "\n"))
    }

    @Test(arguments: [
        ("ami-id", "ami-00000001"),
        ("ami-launch-index", "0"),
        ("ami-manifest-path", "FIXME"),
        ("hostname", "web.lab.example"),
        ("instance-id", "i-0000002a"),
        ("local-ipv4", "10.0.0.5"),
        ("public-keys", "0=alice"),
        ("public-keys/", "0=alice"),
        ("public-keys/0", "openssh-key"),
        ("public-keys/0/", "openssh-key"),
        ("public-keys/0/openssh-key", Fixture.key),
        ("reservation-id", "r-abcdefgh"),
        ("security-groups", "default\nhttp"),
        ("local-hostname", "web.lab.example"),
        ("public-hostname", "web.lab.example"),
        ("public-ipv4", "203.0.113.9"),
        ("instance-type", "m1.small"),
        ("block-device-mapping", "ami\nebs0\nebs1\nephemeral0\nroot\nswap"),
        ("block-device-mapping/ami", "vda"),
        ("block-device-mapping/root", "/dev/vda"),
        ("block-device-mapping/ephemeral0", "/dev/vdb"),
        ("block-device-mapping/swap", "/dev/vdc"),
        ("block-device-mapping/ebs0", "/dev/vdd"),
        ("block-device-mapping/ebs1", "/dev/vde"),
        ("kernel-id", "aki-00000002"),
        ("ramdisk-id", "ari-00000003"),
        ("placement", "availability-zone"),
        ("placement/availability-zone", "nova"),
        ("instance-action", "none"),
    ])
    func itemIsAnswered(path: String, value: String) throws {
        let answer = try Fixture.tree(Fixture.full).get("/2009-04-04/meta-data/\(path)")
        #expect(String(decoding: answer.body, as: UTF8.self) == value)
        #expect(answer.contentType == "text/plain; charset=UTF-8")
        #expect(answer.status == 200)
    }

    @Test(arguments: [
        ("public-keys", "404"),
        ("public-ipv4", ""),
        ("local-ipv4", "None"),
        ("hostname", "bare"),
        ("kernel-id", "404"),
        ("placement/availability-zone", "None"),
        ("block-device-mapping", "ami\nephemeral0\nroot\nswap"),
        ("block-device-mapping/ami", "sda1"),
        ("block-device-mapping/root", "/dev/sda1"),
        ("block-device-mapping/ephemeral0", "sda2"),
        ("block-device-mapping/swap", "sda3"),
    ])
    func itemOfABareInstanceIsAnswered(path: String, value: String) throws {
        #expect(try Fixture.tree(Fixture.bare).text("/latest/meta-data/\(path)") == value)
    }

    @Test func derivedIDsHaveNovasForm() throws {
        let tree = try Fixture.tree(Fixture.bare)
        #expect(try tree.text("/1.0/meta-data/instance-id").wholeMatch(of: /i-[0-9a-f]{8}/) != nil)
        #expect(try tree.text("/1.0/meta-data/ami-id").wholeMatch(of: /ami-[0-9a-f]{8}/) != nil)
        #expect(try tree.text("/1.0/meta-data/reservation-id").wholeMatch(of: /r-[0-9a-z]{8}/) != nil)
    }

    @Test func instanceWithoutFixedIPShowsTheRequestsAddress() throws {
        var random = ConstantRandom()
        let answer = try Fixture.tree(Fixture.bare).answer(
            MetadataRequest(target: "/latest/meta-data/local-ipv4", clientAddress: .v4(0x0A00_0007)),
            today: Fixture.today,
            passwords: InMemoryPasswordStore(),
            random: &random
        )
        #expect(answer.body == Array("10.0.0.7".utf8))
    }

    @Test func severalKeysAreNumbered() throws {
        let tree = try Fixture.tree("instances: {i: {keys: {a: ssh-rsa A, b: ssh-rsa B}}}")
        #expect(try tree.text("/latest/meta-data/public-keys/") == "0=a\n1=b")
        #expect(try tree.text("/latest/meta-data/public-keys/1/openssh-key") == "ssh-rsa B")
    }

    /// Compressed and other binary user data must arrive as it was given (LP 2120723).
    @Test func userDataIsBitExact() throws {
        // gzip's magic, then every byte there is, in base64.
        let bytes: [UInt8] = [0x1F, 0x8B, 0x08] + (0...255)
        let tree = try Fixture.tree("instances: {i: {user_data_base64: \(Fixture.base64(bytes))}}")
        for target in ["/latest/user-data", "/1.0/user-data", "/openstack/latest/user_data"] {
            let answer = try tree.get(target)
            #expect(answer.body == bytes)
            #expect(answer.contentType == "text/plain; charset=UTF-8")
        }
    }

    @Test func missingUserDataIsNotFoundAndEmptyUserDataIsEmpty() throws {
        #expect(try Fixture.tree(Fixture.bare).text("/latest/user-data") == "404")
        #expect(try Fixture.tree(Fixture.bare).text("/openstack/latest/user_data") == "404")
        #expect(try Fixture.tree("instances: {i: {user_data: ''}}").text("/latest/user-data") == "")
    }
}

extension Fixture {
    static func base64(_ bytes: [UInt8]) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        var text = ""
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let word = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
            for digit in 0..<4 { text.append(digit <= group.count ? alphabet[word >> (18 - 6 * digit) & 63] : "=") }
        }
        return text
    }
}
