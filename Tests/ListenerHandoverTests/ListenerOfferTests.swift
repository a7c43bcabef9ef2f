import ListenerHandover
import MetadataModel
import RelayLoop
import RequestPath
import Testing

@Suite struct ListenerOfferTests {
    private static let network = "6b1f0c9a-0000-4000-8000-00000000aaaa"

    private func full() throws -> ListenerOffer {
        var offer = ListenerOffer(scope: .router(try #require(ResourceID(Self.network))))
        offer.headerFamily = .ovn
        offer.logTag = "haproxy-metadata-proxy-\(Self.network) and more"
        offer.requestTimeout = .milliseconds(30_000)
        offer.clientTimeout = .milliseconds(32_000)
        offer.keepAliveTimeout = .milliseconds(1)
        offer.answerTimeout = .milliseconds(86_400_000)
        offer.connectionsMax = 1_024
        offer.rate = ListenerOffer.RateLimit(
            windows: [
                ListenerOffer.RateLimit.Window(period: .milliseconds(10_000), requestsMax: 10),
                ListenerOffer.RateLimit.Window(period: .milliseconds(2_147_483_647), requestsMax: 0),
            ],
            countsIPv4: true,
            countsIPv6: true,
            entriesMax: 10_240,
            expiry: .milliseconds(60_000)
        )
        return offer
    }

    private func read(_ text: String) throws(ListenerOffer.ParseError) -> ListenerOffer {
        try ListenerOffer(Array(text.utf8))
    }

    private func fault(_ lines: String...) -> ListenerOffer.ParseError? {
        do throws(ListenerOffer.ParseError) {
            _ = try read((["bellhop-listeners 1"] + lines).joined(separator: "\n"))
            return nil
        } catch {
            return error
        }
    }

    @Test func whatIsSaidIsUnderstood() throws {
        let offer = try full()
        #expect(try ListenerOffer(offer.bytes) == offer)
        #expect(offer.bytes.count <= ListenerOffer.bytesMax)
        let bare = ListenerOffer(scope: .network(try #require(ResourceID("n"))))
        #expect(try ListenerOffer(bare.bytes) == bare)
        #expect(String(decoding: bare.bytes, as: UTF8.self) == "bellhop-listeners 1\nnetwork n\nheaders neutron\n")
    }

    /// Proxy and agent are of different versions while a node is upgraded.
    @Test func fieldsOfLaterVersionsAreSkipped() throws {
        let offer = try read("bellhop-listeners 1\nnetwork n\nweather fine today\nmaxconn 5\n")
        #expect(offer.connectionsMax == 5)
    }

    @Test(arguments: ["", "\n", "GET / HTTP/1.1\r\n\r\n", "bellhop-listeners 2\nnetwork n\n", "network n\n"])
    func somethingElseIsNoOffer(_ text: String) {
        #expect(throws: ListenerOffer.ParseError.notAnOffer) { try read(text) }
    }

    @Test func bytesThatAreNoTextAreNoOffer() {
        #expect(throws: ListenerOffer.ParseError.notAnOffer) {
            try ListenerOffer(Array("bellhop-listeners 1\nnetwork n\ntag ".utf8) + [0xFF])
        }
        #expect(throws: ListenerOffer.ParseError.notAnOffer) {
            try ListenerOffer([UInt8](repeating: 0x61, count: ListenerOffer.bytesMax + 1))
        }
    }

    @Test func exactlyOneScopeIsNeeded() {
        #expect(fault("headers neutron") == .noScope)
        #expect(fault("network a", "network b") == .noScope)
        #expect(fault("network a", "router a") == .noScope)
        #expect(fault("network ") == .badField("network "))
        #expect(fault("router \u{e4}") == .badField("router"))
    }

    @Test(arguments: [
        ("headers both", "headers"), ("maxconn 0", "maxconn"), ("maxconn -1", "maxconn"), ("maxconn x", "maxconn"),
        ("client 0", "client"), ("client 86400001", "client"), ("server 1.5", "server"),
        ("http-request 99999999999999999999", "http-request"), ("http-keep-alive ten", "http-keep-alive"),
        ("rate 10 10", "rate"), ("rate-entries 5", "rate-entries"), ("rate-expiry 5", "rate-expiry"),
        ("rate-families 5", "rate-families"), ("nothing-behind", "nothing-behind"),
    ])
    func fieldsThatMakeNoSenseAreRefused(_ line: String, _ name: String) {
        #expect(fault("network n", line) == .badField(name))
    }

    @Test func aLimitHasThreeWindowsAtTheMost() {
        let windows = Array(repeating: "rate 1000 5", count: 3)
        let lines = ["bellhop-listeners 1", "network n", "rate-families 46"] + windows
        #expect(throws: Never.self) { try read(lines.joined(separator: "\n")) }
        #expect(throws: ListenerOffer.ParseError.badField("rate")) {
            try read((lines + ["rate 1000 5"]).joined(separator: "\n"))
        }
    }

    /// A proxy must not make the agent keep more than it is meant to.
    @Test func rememberedAddressesAreBounded() throws {
        let text = "bellhop-listeners 1\nnetwork n\nrate-families 4\nrate 1000 5\nrate-entries 4000000000\n"
        #expect(try read(text).rate?.entriesMax == 65_536)
    }

    @Test func limitsAreMadeOnlyWhereSomethingIsSaid() throws {
        let scope = Scope.network(try #require(ResourceID("n")))
        #expect(ListenerOffer(scope: scope).limits == nil)
        var offer = ListenerOffer(scope: scope)
        offer.connectionsMax = 7
        let limits = try #require(offer.limits)
        #expect(limits.connectionsMax == 7)
        // The others are those of a door without limits of its own.
        #expect(limits.requestTimeout == RelaySettings().requestTimeout)
        #expect(limits.keepAliveTimeout == RelaySettings().keepAliveTimeout)
        #expect(limits.answerTimeout == nil)
        let whole = try #require(try full().limits)
        #expect(whole.requestTimeout == .milliseconds(30_000))
        #expect(whole.clientTimeout == .milliseconds(32_000))
        #expect(whole.answerTimeout == .milliseconds(86_400_000))
    }

    @Test func anythingButAnAcceptanceIsARefusal() {
        #expect(ListenerReply.accepted.bytes == Array("accepted\n".utf8))
        let long = ListenerReply.refused(String(repeating: "x", count: 5_000))
        #expect(long.bytes.count == ListenerReply.bytesMax)
    }
}
