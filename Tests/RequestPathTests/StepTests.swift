import HTTPWire
import MetadataModel
import RelayLoop
import Testing

@testable import RequestPath

/// Scans a head the way a connection does.
private func scan(_ text: String) throws -> (RequestHead, [UInt8]) {
    let bytes = Array(text.utf8)
    var scanner = RequestHeadScanner()
    guard case .complete(let head) = scanner.scan(bytes.span) else {
        Issue.record("not a complete head: \(text)")
        throw CancellationError()
    }
    return (head, bytes)
}

private func text(_ queue: borrowing ByteQueue) -> String {
    queue.withBytes { bytes in
        var text = ""
        for index in bytes.indices { text.unicodeScalars.append(Unicode.Scalar(bytes[index])) }
        return text
    }
}

@Suite struct IdentifyTests {
    private static let id = "21dc7e74-24bc-4b34-8c4d-0e9fc87debd9"

    /// Expected: the sender in words, or the status of the refusal.
    @Test(arguments: [
        ("X-Neutron-Network-ID: \(id)\r\nX-Forwarded-For: 10.0.0.5", "network \(id) 10.0.0.5"),
        ("x-neutron-router-id: \(id)\r\nx-forwarded-for: ::ffff:10.77.2.154", "router \(id) 10.77.2.154"),
        ("X-Neutron-Network-ID: lab\r\nX-Forwarded-For: fe80::1%eth0", "network lab fe80::1"),
        // A guest's own list in front of the address that the last hop saw.
        ("X-Neutron-Network-ID: lab\r\nX-Forwarded-For: 1.2.3.4, 10.0.0.5", "network lab 10.0.0.5"),
        ("X-Neutron-Network-ID: lab\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 10.0.0.5", "network lab 10.0.0.5"),
        // Both ids (LP 1865036), one twice, or a list.
        ("X-Neutron-Network-ID: a\r\nX-Neutron-Router-ID: b\r\nX-Forwarded-For: 10.0.0.5", "400"),
        ("X-Neutron-Network-ID: a\r\nX-Neutron-Network-ID: b\r\nX-Forwarded-For: 10.0.0.5", "400"),
        ("X-Neutron-Network-ID: a,b\r\nX-Forwarded-For: 10.0.0.5", "400"),
        ("X-Neutron-Router-ID: a b\r\nX-Forwarded-For: 10.0.0.5", "400"),
        // An empty one does not count.
        ("X-Neutron-Network-ID: \r\nX-Neutron-Router-ID: b\r\nX-Forwarded-For: 10.0.0.5", "router b 10.0.0.5"),
        ("X-Forwarded-For: 10.0.0.5", "500"),
        // Never a lookup without an address.
        ("X-Neutron-Network-ID: lab", "400"),
        ("X-Neutron-Network-ID: lab\r\nX-Forwarded-For: ", "400"),
        ("X-Neutron-Network-ID: lab\r\nX-Forwarded-For: 10.0.0.5,", "400"),
        ("X-Neutron-Network-ID: lab\r\nX-Forwarded-For: guest", "400"),
        // The spelling that Python front ends fold into the dashed one.
        ("X_Neutron_Network_ID: lab\r\nX-Forwarded-For: 10.0.0.5", "500"),
        ("X-Neutron-Network-ID: lab\r\nX_Forwarded_For: 10.0.0.5", "400"),
    ])
    func headersOnTheSocketNameTheSender(headers: String, expected: String) throws {
        let (head, bytes) = try scan("GET / HTTP/1.1\r\n\(headers)\r\n\r\n")
        let result = Identify.sender(of: head, in: bytes.span, door: .headers, peer: nil, policy: .last)
        switch result {
        case .success(let sender): #expect("\(sender.scope) \(sender.address)" == expected)
        case .failure(let verdict): #expect("\(verdict.status)" == expected)
        }
    }

    @Test func listCanBeRefused() throws {
        let (head, bytes) = try scan(
            "GET / HTTP/1.1\r\nX-Neutron-Network-ID: lab\r\nX-Forwarded-For: 1.2.3.4, 10.0.0.5\r\n\r\n"
        )
        let result = Identify.sender(of: head, in: bytes.span, door: .headers, peer: nil, policy: .reject)
        #expect(result == .failure(.addressMissing))
    }

    @Test func insideANamespaceNothingTheGuestSendsCounts() throws {
        let (head, bytes) = try scan(
            """
            GET / HTTP/1.1\r\nX-Neutron-Network-ID: other\r\nX-Neutron-Router-ID: other\r
            X-Forwarded-For: 10.9.9.9\r\nX-Bellhop-Held: 8000\r\n\r\n
            """
        )
        let network = try #require(ResourceID("lab"))
        let peer = try #require(IPAddress("10.0.0.5"))
        let result = Identify.sender(
            of: head,
            in: bytes.span,
            door: .scope(.network(network)),
            peer: peer,
            policy: .last
        )
        #expect(result == .success(Sender(scope: .network(network), address: peer)))
    }

    @Test(
        arguments: [("250", 250), ("0", 0), ("x", 0), ("-1", 0), ("9999999", 0), ("8500", 8_500)] as [(String, UInt64)]
    )
    func timeHeldByTheProxyIsRead(value: String, milliseconds: UInt64) throws {
        let (head, bytes) = try scan(
            "GET / HTTP/1.1\r\nX-Neutron-Network-ID: a\r\nX-Forwarded-For: 10.0.0.5\r\nX-Bellhop-Held: \(value)\r\n\r\n"
        )
        let result = Identify.sender(of: head, in: bytes.span, door: .headers, peer: nil, policy: .last)
        #expect(try result.get().heldBefore == .milliseconds(milliseconds))
    }
}

@Suite struct ForwardTests {
    private let signed: SignedInstance
    private let address: IPAddress

    init() throws {
        let instance = Instance(id: try #require(ResourceID("i")), projectID: try #require(ResourceID("p")))
        signed = SignedInstance(instance, headers: Array("X-Instance-ID: i\r\n".utf8))
        address = try #require(IPAddress("10.0.0.255"))
    }

    private func forward(_ request: String, _ credentials: Forward.Credentials, _ body: Forward.Body = .none) throws
        -> String
    {
        let (head, bytes) = try scan(request)
        var output = ByteQueue()
        Forward.writeHead(
            of: head,
            in: bytes.span,
            to: &output,
            hopLines: Forward.hopLines(host: "nova:8775"),
            address: address,
            credentials: credentials,
            body: body
        )
        return text(output)
    }

    @Test func novaGetsOurHeadersAndNoneOfTheGuests() throws {
        let request = """
            GET /a%2Fb%20c?x=%3F HTTP/1.1\r\nHost: 169.254.169.254\r\nX-Instance-ID: forged\r\nX-Tenant-ID: forged\r
            X-Metadata-Provider: forged\r\nContent-Type: text/plain\r\nCookie: c\r\nAccept-Encoding: gzip\r\n\r\n
            """
        #expect(
            try forward(request, .instance(signed)) == """
                GET /a%2Fb%20c?x=%3F HTTP/1.1\r\nHost: nova:8775\r\nAccept-Encoding: identity\r
                X-Forwarded-For: 10.0.0.255\r\nX-Instance-ID: i\r\n\r\n
                """
        )
    }

    @Test func agentIsToldWhereTheGuestStands() throws {
        let network = try #require(ResourceID("net"))
        let router = try #require(ResourceID("rtr"))
        #expect(
            try forward("GET / HTTP/1.0\r\n\r\n", .scope(.network(network), .neutron, held: .zero)).hasSuffix(
                "X-Forwarded-For: 10.0.0.255\r\nX-Neutron-Network-ID: net\r\n\r\n"
            )
        )
        #expect(
            try forward("GET / HTTP/1.0\r\n\r\n", .scope(.router(router), .neutron, held: .milliseconds(1_500)))
                .hasSuffix(
                    "X-Neutron-Router-ID: rtr\r\nX-Bellhop-Held: 1500\r\n\r\n"
                )
        )
    }

    @Test(arguments: [
        ("GET http://169.254.169.254/latest HTTP/1.1", "GET /latest HTTP/1.1"),
        ("GET http://169.254.169.254 HTTP/1.1", "GET / HTTP/1.1"),
        ("GET http://169.254.169.254?a=b HTTP/1.1", "GET /?a=b HTTP/1.1"),
        ("OPTIONS * HTTP/1.1", "OPTIONS * HTTP/1.1"),
        ("BREW //a/../b/./c HTTP/1.1", "BREW //a/../b/./c HTTP/1.1"),
    ])
    func targetIsForwardedByteByByte(line: String, forwarded: String) throws {
        #expect(try forward("\(line)\r\n\r\n", .instance(signed)).hasPrefix(forwarded + "\r\n"))
    }

    @Test func bodysLengthIsAlwaysTold() throws {
        let post = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        #expect(try forward(post, .instance(signed), .length(9)).hasSuffix("\r\nContent-Length: 9\r\n\r\n"))
        #expect(try forward("PUT / HTTP/1.1\r\n\r\n", .instance(signed)).hasSuffix("\r\nContent-Length: 0\r\n\r\n"))
        #expect(try !forward("HEAD / HTTP/1.1\r\n\r\n", .instance(signed)).contains("Content-Length"))
    }
}

@Suite struct AnswerTests {
    private func refusal(_ verdict: Verdict, isHead: Bool = false, _ persistence: Answer.Persistence = .asUsual)
        -> String
    {
        var output = ByteQueue()
        Answer.writeRefusal(
            verdict,
            status: verdict.status,
            to: &output,
            isHead: isHead,
            persistence: persistence,
            date: HTTPDate()
        )
        return text(output)
    }

    @Test func oldStatusesComeBackOnlyWhereTheyAreAskedFor() {
        var switches = StatusSwitches()
        #expect(Self.verdicts.allSatisfy { switches.status(of: $0) == $0.status })
        switches.novaTroubleIs500 = true
        switches.directoryAwayIs500 = true
        let changed = Self.verdicts.filter { switches.status(of: $0) != $0.status }
        #expect(changed == [.directoryAway, .backendTimeout, .backendBroken])
        #expect(changed.allSatisfy { switches.status(of: $0) == 500 })
    }

    private static let verdicts: [Verdict] = [
        .scopeMissing, .scopeAmbiguous, .addressMissing, .malformedRequest, .requestTimeout,
        .bodyTooLarge, .targetTooLong, .headTooLarge, .methodNotAllowed, .expectationFailed, .versionNotSupported,
        .overloaded, .instanceNotFound(.noPort), .directoryAway, .directoryFailed, .backendAway, .backendTimeout,
        .backendBroken, .backendUnexpected(status: 201),
    ]

    /// LP 2106713: an answer of our own had a wrong length, and haproxy made a 502 of it.
    @Test(arguments: verdicts)
    func refusalIsACompleteAnswerOfTheRightLength(verdict: Verdict) throws {
        let answer = refusal(verdict)
        let parts = answer.split(separator: "\r\n\r\n", maxSplits: 1)
        let body = try #require(parts.last)
        #expect(answer.hasPrefix("HTTP/1.1 \(verdict.status) "))
        #expect(answer.contains("\r\nContent-Length: \(body.utf8.count)\r\n"))
        #expect(answer.contains("\r\nDate: "))
        #expect(body == "\(verdict.explanation)\n")
        #expect(answer.contains("Retry-After: ") == (verdict.retryAfterSeconds != nil))
        #expect(refusal(verdict, isHead: true).hasSuffix("\r\n\r\n"))
    }

    @Test func connectionsEndIsAnnounced() {
        #expect(refusal(.malformedRequest, .close).contains("\r\nConnection: close\r\n\r\n"))
        #expect(!refusal(.malformedRequest).contains("Connection"))
    }

    private func head(_ answer: String, _ framing: Answer.Framing, to method: RequestHead.Method = .get) throws
        -> String
    {
        let bytes = Array(answer.utf8)
        var scanner = ResponseHeadScanner()
        guard case .complete(let head) = scanner.scan(bytes.span, answering: method) else {
            Issue.record("not a complete head")
            throw CancellationError()
        }
        var output = ByteQueue()
        Answer.writeHead(
            of: head,
            in: bytes.span,
            to: &output,
            framing: framing,
            persistence: .asUsual,
            date: HTTPDate()
        )
        return text(output)
    }

    @Test func onlyTypeAndRetryAfterOfTheNextHopArePassed() throws {
        let answer = try head(
            """
            HTTP/1.1 503 Busy\r\nServer: secret\r\ncontent-type: text/x; charset=latin-1\r\nretry-after: 7\r
            X-Internal: 1\r\nContent-Length: 3\r\n\r\n
            """,
            .length(3)
        )
        #expect(
            answer.hasPrefix(
                "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/x; charset=latin-1\r\nRetry-After: 7\r\nContent-Length: 3\r\nDate: "
            )
        )
        #expect(!answer.contains("secret") && !answer.contains("Internal"))
    }

    @Test func chunksAreFramedInHexadecimal() {
        var output = ByteQueue()
        Answer.writeChunk([UInt8](repeating: 120, count: 26).span, to: &output)
        Answer.writeChunk([UInt8]().span, to: &output)
        Answer.writeLastChunk(to: &output)
        #expect(text(output) == "1a\r\n\(String(repeating: "x", count: 26))\r\n0\r\n\r\n")
    }

    @Test(arguments: [WireFault.headTooLarge, .targetTooLong, .bodyTooLarge, .versionNotSupported, .cutShort])
    func everyFaultHasItsStatus(fault: WireFault) {
        let statuses = [431, 414, 413, 505, 400]
        #expect(statuses.contains(Admit.verdict(for: fault).status))
    }

    @Test func connectIsNotRelayed() throws {
        let (head, _) = try scan("CONNECT a:80 HTTP/1.1\r\n\r\n")
        #expect(Admit.refusal(of: head, bodyBytesMax: 10) == .methodNotAllowed)
    }

    @Test func bodyIsRefusedByItsAnnouncedLength() throws {
        for (length, verdict) in [(10, nil), (11, Verdict.bodyTooLarge)] {
            let (head, _) = try scan("POST / HTTP/1.1\r\nContent-Length: \(length)\r\n\r\n")
            #expect(Admit.refusal(of: head, bodyBytesMax: 10) == verdict)
        }
    }
}

@Suite struct InstanceCacheTests {
    private let signed: SignedInstance
    private let claims: [Claim]

    init() throws {
        let project = try #require(ResourceID("p"))
        signed = SignedInstance(Instance(id: try #require(ResourceID("i")), projectID: project), headers: [])
        claims = try (0..<4).map { number in
            let network = try #require(ResourceID("net-\(number)"))
            let address = try #require(IPAddress("10.0.0.1"))
            return try #require(Claim(scope: .network(network), address: address))
        }
    }

    private func at(_ seconds: Double) -> LoopInstant { LoopInstant(nanoseconds: 0) + .seconds(seconds) }

    /// LP 1593342: keys of the wrong kind made every lookup a miss.
    @Test func storedInstanceIsFoundUntilItExpires() {
        var cache = InstanceCache(entriesMax: 10)
        cache.store(signed, for: claims[0], now: at(1), lifetime: .seconds(5))
        #expect(cache.entry(for: claims[0], now: at(5.9))?.instance.instance == signed.instance)
        #expect(cache.entry(for: claims[0], now: at(6)) == nil)
        #expect(cache.entry(for: claims[1], now: at(2)) == nil)
    }

    @Test func nothingIsStoredForNoTime() {
        var cache = InstanceCache(entriesMax: 10)
        cache.store(signed, for: claims[0], now: at(1), lifetime: .zero)
        #expect(cache.count == 0)
    }

    @Test func cacheStaysWithinItsBound() {
        var cache = InstanceCache(entriesMax: 2)
        for claim in claims { cache.store(signed, for: claim, now: at(1), lifetime: .seconds(5)) }
        #expect(cache.count <= 2)
        #expect(cache.entry(for: claims[3], now: at(2)) != nil)
    }
}
