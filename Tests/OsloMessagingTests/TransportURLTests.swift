import TestSupport
import Testing

@testable import OsloMessaging

@Suite struct TransportURLTests {
    private typealias Host = TransportURL.Host

    private static func host(
        _ name: String,
        _ port: Int? = nil,
        _ user: String? = nil,
        _ password: String? = nil
    ) -> TransportURL.Host {
        TransportURL.Host(name: name, port: port, user: user, password: password)
    }

    @Test(
        arguments: [
            ("rabbit://", []),
            ("rabbit:///vhost", []),
            ("rabbit://ctl", [host("ctl")]),
            ("rabbit://ctl:5671/", [host("ctl", 5_671)]),
            ("rabbit://neutron:pw@ctl:5672/openstack", [host("ctl", 5_672, "neutron", "pw")]),
            ("rabbit://neutron@ctl/", [host("ctl", nil, "neutron")]),
            ("rabbit://neutron:@ctl/", [host("ctl", nil, "neutron", "")]),
            ("rabbit://@ctl/", [host("ctl", nil, "")]),
            // Every host has credentials of its own, and none inherits any.
            (
                "rabbit://u1:p1@a:5672,u2:p2@b:5673,c/",
                [host("a", 5_672, "u1", "p1"), host("b", 5_673, "u2", "p2"), host("c")]
            ),
            // The last '@' ends the credentials, the first ':' ends the user.
            ("rabbit://ops@example.org:p:w@d@ctl/", [host("ctl", nil, "ops@example.org", "p:w@d")]),
            ("rabbit://n%40x:%2F%3F%23%2C%25%C3%A9@ctl/", [host("ctl", nil, "n@x", "/?#,%é")]),
            // What is no %XX stays as it is.
            ("rabbit://u:100%25%@ctl/", [host("ctl", nil, "u", "100%%")]),
            ("rabbit://u:%zz%4@ctl/", [host("ctl", nil, "u", "%zz%4")]),
            ("rabbit://u:a+b@ctl/", [host("ctl", nil, "u", "a+b")]),
            ("rabbit://[2001:db8::1]", [host("2001:db8::1")]),
            (
                "rabbit://u:p@[2001:db8::1]:5671,u:p@[::1]/",
                [host("2001:db8::1", 5_671, "u", "p"), host("::1", nil, "u", "p")]
            ),
            // As the reference has it: nothing between commas is no host, and nothing after ':' no port.
            ("rabbit://a,,b,/", [host("a"), host("b")]),
            ("rabbit://a:,[::1]:/", [host("a"), host("::1")]),
        ]
    )
    func hostsWithTheirCredentials(text: String, hosts: [TransportURL.Host]) throws {
        #expect(try TransportURL(text).hosts == hosts)
    }

    @Test(arguments: [
        ("rabbit://ctl", nil), ("rabbit://ctl/", nil), ("rabbit://", nil), ("rabbit:///", nil),
        ("rabbit://ctl//", "/"), ("rabbit://ctl/%2F", "/"), ("rabbit://ctl/%2f", "/"),
        ("rabbit://ctl/openstack", "openstack"),
        ("rabbit:///openstack", "openstack"), ("rabbit://ctl/a/b", "a/b"), ("rabbit://ctl//a", "/a"),
        ("rabbit://ctl/%C3%BCber?ssl=1", "über"), ("rabbit://ctl/a@b:c,d", "a@b:c,d"),
    ])
    func virtualHostIsThePathWithoutItsFirstSlash(text: String, virtualHost: String?) throws {
        #expect(try TransportURL(text).virtualHost == virtualHost)
    }

    @Test(arguments: ["rabbit", "RABBIT", "kombu", "amqp", "rabbit+ssl"])
    func schemesThatMeanRabbitMQ(scheme: String) throws {
        #expect(try TransportURL("\(scheme)://ctl/v").hosts.map(\.name) == ["ctl"])
    }

    @Test func parametersAreDecodedAndKeepTheirOrder() throws {
        let url = try TransportURL("rabbit://ctl/v?ssl=true&ssl_ca_file=%2Fetc%2Fca+1.pem&&x=&y=a=b&ssl=false")
        #expect(
            url.parameters == [
                .init(name: "ssl", value: "true"), .init(name: "ssl_ca_file", value: "/etc/ca 1.pem"),
                .init(name: "x", value: ""), .init(name: "y", value: "a=b"), .init(name: "ssl", value: "false"),
            ]
        )
        #expect(url.virtualHost == "v")
        #expect(try TransportURL("rabbit://ctl?ssl=1").hosts == [Self.host("ctl")])
        #expect(try TransportURL("rabbit://ctl/?").parameters == [])
    }

    @Test(
        arguments: [
            ("", "has no scheme"), ("ctl:5672", "has no scheme"), ("//ctl", "has no scheme"),
            ("qpid://u:s3cret@ctl/", "has the scheme 'qpid'"),
            // Not without TLS, of which it speaks; oslo.messaging knows no driver of that name.
            ("amqps://u:s3cret@ctl/", "ssl = true"), ("AMQPS+x://u:s3cret@ctl/", "ssl = true"),
            ("://u:s3cret@ctl/", "scheme"),
            ("rabbit://u:s3cret@ctl:0/", "a port"), ("rabbit://u:s3cret@ctl:65536/", "a port"),
            ("rabbit://u:s3cret@ctl:-1/", "a port"), ("rabbit://u:s3cret@ctl:+1/", "a port"),
            ("rabbit://u:s3cret@ctl:amqp/", "a port"), ("rabbit://u:s3cret@ctl:5672x/", "a port"),
            ("rabbit://u:s3cret@ctl:99999999999999999999/", "a port"),
            ("rabbit://u:s3cret@2001:db8::1/", "IPv6"), ("rabbit://u:s3cret@[2001:db8::1/", "without ']'"),
            ("rabbit://u:s3cret@[::1]s3cret/", "between ']' and ':'"),
            ("rabbit://u:s3cret@/", "no host name"), ("rabbit://u:s3cret@:5672/", "no host name"),
            ("rabbit://u:s3cret@[]:5672/", "no host name"),
            // Raw characters in a password, each with the hint that it needs.
            ("rabbit://u:s3cret#1@ctl/", "%23"), ("rabbit://u:s3cret?1@ctl/", "%3F"),
            ("rabbit://u:s3cret/1@ctl/", "%2F"), ("rabbit://u:s3cret,1@ctl/", "%2C"),
            ("rabbit://u:s3cret%FF@ctl/", "a password that is not UTF-8"),
            ("rabbit://%FF:s3cret@ctl/", "a user that is not UTF-8"),
            ("rabbit://u:s3cret@ctl/%C3", "a virtual host that is not UTF-8"),
            ("rabbit://u:s3cret%00@ctl/", "a password that is not UTF-8"),
            ("rabbit://u:s3cret@ctl/?x=%FF", "a parameter that is not UTF-8"),
            ("rabbit://u:s3cret@ctl/?ssl", "without '='"),
            // The scheme is missing, and what stands in its place is not to be shown.
            ("neutron:s3cret@ctl://v", "scheme"), ("neutron:s3cret://ctl", "scheme"),
        ]
    )
    func errorSaysWhatIsWrongAndShowsNoPassword(text: String, hint: String) throws {
        let error = try #require(messagingError { () throws(MessagingError) in try TransportURL(text) })
        #expect(error.code == .misconfigured)
        #expect(error.message.hasPrefix("transport_url ") && error.message.hasSuffix("."))
        #expect(error.message.contains(hint), "\(error.message)")
        #expect(!error.message.contains("s3cret"), "\(error.message)")
    }

    /// Whatever is read is what was meant: written out again, it reads the same.
    @Test(arguments: 0..<20)
    func randomTextIsReadOrRefused(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let pieces = [
            "rabbit://", "://", "/", "//", ",", "@", ":", "[", "]", "?", "&", "=", "#", "%", "%2F", "%C3", "%00", "a",
            "é", "::1", "5672",
        ]
        var read = 0
        for _ in 0..<500 {
            var text = Bool.random(using: &random) ? "rabbit://" : ""
            for _ in 0..<Int.random(in: 0...12, using: &random) {
                if Int.random(in: 0..<8, using: &random) == 0 {
                    let bytes = (0..<3).map { _ in UInt8.random(in: 0...255, using: &random) }
                    text += String(decoding: bytes, as: UTF8.self)
                } else {
                    text += pieces.randomElement(using: &random) ?? ""
                }
            }
            let url: TransportURL
            do throws(MessagingError) {
                url = try TransportURL(text)
            } catch {
                #expect(error.code == .misconfigured)
                continue
            }
            read += 1
            #expect(try TransportURL(Self.written(url)) == url, "\(text)")
            #expect(url.hosts.allSatisfy { !$0.name.isEmpty && (1...65_535).contains($0.port ?? 1) })
        }
        #expect(read > 10)
    }

    /// Every byte of user, password, virtual host and parameters as %XX.
    private static func written(_ url: TransportURL) -> String {
        func encoded(_ text: String) -> String {
            text.utf8.map { byte in
                let digits = String(byte, radix: 16)
                return "%" + (digits.count == 1 ? "0" : "") + digits
            }.joined()
        }
        let hosts = url.hosts.map { host in
            let password = host.password.map { ":" + encoded($0) } ?? ""
            let user = host.user.map { encoded($0) + password + "@" } ?? ""
            let isBracketed = host.name.contains(":") || host.name.hasPrefix("[")
            return user + (isBracketed ? "[\(host.name)]" : host.name) + (host.port.map { ":\($0)" } ?? "")
        }
        let query = url.parameters.map { encoded($0.name) + "=" + encoded($0.value) }.joined(separator: "&")
        return "rabbit://" + hosts.joined(separator: ",") + "/" + encoded(url.virtualHost ?? "")
            + (query.isEmpty ? "" : "?" + query)
    }
}
