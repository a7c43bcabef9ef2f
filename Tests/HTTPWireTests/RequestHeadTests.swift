import HTTPWire
import Testing

/// What an accepted request head says, fact by fact.
struct RequestHeadTests {
    /// The facts of a head that must be accepted whole.
    private func facts(_ text: String, sourceLocation: SourceLocation = #_sourceLocation) throws -> ReferenceRequest {
        let bytes = Array(text.utf8)
        let head = try accepted(bytes, sourceLocation: sourceLocation)
        return WireInvariants.facts(of: head, in: bytes)
    }

    private func accepted(_ bytes: [UInt8], sourceLocation: SourceLocation = #_sourceLocation) throws -> RequestHead {
        let scan = Feeding.request(bytes, pieces: [bytes.count])
        guard case .complete(let head) = scan else {
            Issue.record("not accepted: \(scan)", sourceLocation: sourceLocation)
            throw WireFault.cutShort
        }
        return head
    }

    private func request(_ headers: String...) -> String {
        "GET / HTTP/1.1\r\n" + headers.map { $0 + "\r\n" }.joined() + "\r\n"
    }

    @Test func partsStandWhereTheyWereWritten() throws {
        let text = "GET /a?b=c HTTP/1.1\r\nHost: x\r\nX-Forwarded-For:  10.0.0.17 \r\n\r\nbody"
        let head = try accepted(Array(text.utf8))
        #expect(head.method == .get)
        #expect(head.methodRange == ByteRange(start: 0, count: 3))
        #expect(head.target == ByteRange(start: 4, count: 6))
        #expect(head.line == ByteRange(start: 0, count: 19))
        #expect(head.forwardedFor == ByteRange(start: 48, count: 9))
        #expect(head.byteCount == text.utf8.count - 4)
        #expect(head.forwardedFor?.end == 57)
    }

    @Test(arguments: [
        ("GET", RequestHead.Method.get), ("HEAD", .head), ("POST", .post), ("PUT", .put), ("DELETE", .delete),
        ("OPTIONS", .options), ("PATCH", .patch), ("TRACE", .trace), ("CONNECT", .connect), ("get", .other),
        ("GETS", .other), ("PROPFIND", .other), ("X", .other), ("!#$%&'*+-.^_`|~09", .other), ("Connect", .other),
    ])
    func methodIsRecognised(name: String, method: RequestHead.Method) throws {
        let bytes = Array("\(name) / HTTP/1.1\r\n\r\n".utf8)
        let head = try accepted(bytes)
        #expect(head.method == method)
        #expect(WireInvariants.facts(of: head, in: bytes).method == name)
    }

    @Test(arguments: [
        ("GET /", "/", false),
        ("GET //a/../%2F%00?x=/?&\\^`{|}\"<>", "//a/../%2F%00?x=/?&\\^`{|}\"<>", false),
        ("GET http://h/a?b", "/a?b", false),
        ("GET hTTps://h:80/", "/", false),
        ("GET http://user:secret@h", "", true),
        ("GET http://h?b=/c", "?b=/c", true),
        ("OPTIONS *", "*", false),
        ("OPTIONS /a", "/a", false),
        ("OPTIONS http://h", "", true),
        ("CONNECT h:443", "h:443", false),
        ("CONNECT *", "*", false),
    ])
    func targetIsReducedToPathAndQuery(start: String, target: String, lacksPath: Bool) throws {
        let bytes = Array("\(start) HTTP/1.1\r\n\r\n".utf8)
        let head = try accepted(bytes)
        #expect(String(decoding: bytes[head.target.start..<head.target.end], as: UTF8.self) == target)
        #expect(head.targetLacksPath == lacksPath)
    }

    @Test(arguments: [
        ("HTTP/1.1", "", 1, true), ("HTTP/1.1", "Connection: close\r\n", 1, false),
        ("HTTP/1.1", "Connection: TE, CLOSE\r\n", 1, false),
        ("HTTP/1.1", "Connection: a\r\nconnection:close,b\r\n", 1, false),
        ("HTTP/1.1", "Connection: closed, xclose, close-\r\n", 1, true),
        ("HTTP/1.1", "Connection: keep-alive, close\r\n", 1, false),
        ("HTTP/1.1", "Proxy-Connection: close\r\n", 1, true), ("HTTP/1.1", "Connection:\r\n", 1, true),
        ("HTTP/1.0", "", 0, false), ("HTTP/1.0", "Connection: Keep-Alive\r\n", 0, true),
        ("HTTP/1.0", "Connection: ,, x ,keep-alive ,\r\n", 0, true),
        ("HTTP/1.0", "Connection: keep-alive, close\r\n", 0, false),
        ("HTTP/1.2", "", 1, true), ("HTTP/1.9", "Connection: close\r\n", 1, false),
    ])
    func connectionLivesOnAsTheVersionSays(version: String, header: String, minor: Int, keepsAlive: Bool) throws {
        let head = try accepted(Array("GET / \(version)\r\n\(header)\r\n".utf8))
        #expect(head.minorVersion == minor)
        #expect(head.keepsAlive == keepsAlive)
    }

    @Test(arguments: [
        ("", BodyFraming.none),
        ("Content-Length: 0\r\n", .length(0)),
        ("content-LENGTH:42\r\n", .length(42)),
        ("Content-Length: 18446744073709551615\r\n", .length(.max)),
        ("Content-Length: 7\r\nContent-Length: 07\r\n", .length(7)),
        ("Transfer-Encoding: chunked\r\n", .chunked),
        ("transfer-encoding:\t Chunked \r\n", .chunked),
        ("Content_Length: 3\r\nTransfer_Encoding: chunked\r\n", BodyFraming.none),
        ("Content-Lengths: 3\r\nXContent-Length: 4\r\n", BodyFraming.none),
    ])
    func bodyIsFramedByLengthOrChunks(headers: String, framing: BodyFraming) throws {
        #expect(try accepted(Array("POST / HTTP/1.1\r\n\(headers)\r\n".utf8)).framing == framing)
    }

    @Test(arguments: [
        ("HTTP/1.1", "Expect: 100-continue\r\nContent-Length: 1\r\n", true),
        ("HTTP/1.1", "EXPECT:100-CONTINUE\r\nTransfer-Encoding: chunked\r\n", true),
        ("HTTP/1.1", "Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 1\r\n", true),
        ("HTTP/1.1", "Expect:\r\nContent-Length: 1\r\n", false),
        ("HTTP/1.1", "Expect: 100-continue\r\n", false),
        ("HTTP/1.1", "Expect: 100-continue\r\nContent-Length: 0\r\n", false),
        ("HTTP/1.0", "Expect: 100-continue\r\nContent-Length: 1\r\n", false),
    ])
    func continueIsExpectedOnlyBeforeABody(version: String, headers: String, expects: Bool) throws {
        #expect(try accepted(Array("POST / \(version)\r\n\(headers)\r\n".utf8)).expectsContinue == expects)
    }

    /// LP 1865036: HAProxy added its header beside the one that the guest had sent.
    @Test(arguments: [
        ([], ReferenceRequest.Identity.absent),
        (["X-Neutron-Network-ID: n1"], .one("n1")),
        (["x-neutron-NETWORK-id:\tn1\t "], .one("n1")),
        (["X-Neutron-Network-ID:"], .absent),
        (["X-Neutron-Network-ID: \t"], .absent),
        (["X-Neutron-Network-ID:", "X-Neutron-Network-ID: n1"], .one("n1")),
        (["X-Neutron-Network-ID: n1", "X-Neutron-Network-ID:"], .one("n1")),
        (["X-Neutron-Network-ID: n1", "X-Neutron-Network-ID: n2"], .repeated),
        (["X-Neutron-Network-ID: n1", "X-Neutron-Network-ID: n1"], .repeated),
        (["X-Neutron-Network-ID: n1", "A: b", "x-neutron-network-id: n2", "x-neutron-network-id: n3"], .repeated),
        (["X-Neutron-Network-ID: n1,n2"], .repeated),
        (["X-Neutron-Network-ID: ,"], .repeated),
        (["X_Neutron_Network_ID: n1", "X-Neutron_Network-ID: n2"], .absent),
        (["X-Neutron-Network-IDs: n1", "XX-Neutron-Network-ID: n2", "X-Neutron-Network-I: n3"], .absent),
        (["X-Neutron-Network-ID: \u{E9}"], .one("\u{C3}\u{A9}")),
    ])
    func identityIsOneHeaderWithOneValue(headers: [String], identity: ReferenceRequest.Identity) throws {
        let text = "GET / HTTP/1.1\r\n" + headers.map { $0 + "\r\n" }.joined() + "\r\n"
        #expect(try facts(text).networkID == identity)
        #expect(try facts(text).routerID == .absent)
        let forRouter = text.replacing("Network", with: "Router").replacing("NETWORK", with: "Router")
            .replacing("network", with: "Router")
        #expect(try facts(forRouter).routerID == identity)
        #expect(try facts(forRouter).networkID == .absent)
    }

    @Test(
        arguments: [
            ([], nil, false),
            (["X-Forwarded-For: 10.0.0.17"], "10.0.0.17", false),
            (["x-forwarded-for:10.0.0.17"], "10.0.0.17", false),
            (["X-Forwarded-For: ::ffff:10.0.0.17"], "::ffff:10.0.0.17", false),
            (["X-Forwarded-For: 192.0.2.1, 10.0.0.17"], "10.0.0.17", true),
            (["X-Forwarded-For: 192.0.2.1,\t10.0.0.17 \t"], "10.0.0.17", true),
            (["X-Forwarded-For: 192.0.2.1, 192.0.2.2,192.0.2.3, 10.0.0.17"], "10.0.0.17", true),
            (["X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 10.0.0.17"], "10.0.0.17", true),
            (["X-Forwarded-For: a, b", "A: b", "x-forwarded-for: c, 10.0.0.17"], "10.0.0.17", true),
            (["X-Forwarded-For:"], nil, false),
            (["X-Forwarded-For:", "X-Forwarded-For: 10.0.0.17"], "10.0.0.17", true),
            // The hop next to us saw nobody: what the guest wrote in front must not step in.
            (["X-Forwarded-For: 10.0.0.17", "X-Forwarded-For:"], nil, true),
            (["X-Forwarded-For: 10.0.0.17,"], nil, true),
            (["X-Forwarded-For: 10.0.0.17, \t"], nil, true),
            (["X_Forwarded_For: 10.0.0.1", "X-Forwarded_For: 10.0.0.2", "Forwarded: for=10.0.0.3"], nil, false),
            (["X-Forwarded-For: 10.0.0.17", "X_Forwarded_For: 10.0.0.1"], "10.0.0.17", false),
        ] as [([String], String?, Bool)]
    )
    func onlyTheLastForwardedAddressCounts(headers: [String], address: String?, isList: Bool) throws {
        let facts = try facts("GET / HTTP/1.1\r\n" + headers.map { $0 + "\r\n" }.joined() + "\r\n")
        #expect(facts.forwardedFor == address)
        #expect(facts.forwardedForIsList == isList)
    }

    @Test func heldTimeIsTheLastOne() throws {
        #expect(try facts(request("X-Bellhop-Held: 15")).held == "15")
        #expect(try facts(request("x-bellhop-held: 15", "X-Bellhop-Held: 20")).held == "20")
        #expect(try facts(request("X-Bellhop-Held: 15", "X-Bellhop-Held:")).held == nil)
        #expect(try facts(request("X_Bellhop_Held: 15")).held == nil)
    }

    @Test func emptyLinesBeforeTheRequestAreCountedIn() throws {
        for start in ["\r\n", "\n", "\r\n\r\n", "\n\r\n", "\n\n"] {
            let text = start + "GET / HTTP/1.1\r\n\r\n"
            let head = try accepted(Array(text.utf8))
            #expect(head.byteCount == text.utf8.count)
            #expect(head.methodRange.start == start.utf8.count)
        }
    }

    @Test func bareLineFeedsEndLines() throws {
        let text = "POST /a HTTP/1.1\nContent-Length: 2\nX-Neutron-Network-ID: n\r\n\nok"
        let facts = try facts(text)
        #expect(facts.framing == .length(2))
        #expect(facts.networkID == .one("n"))
        #expect(try accepted(Array(text.utf8)).byteCount == text.utf8.count - 2)
    }

    @Test func bytesAboveASCIIAreTextInValues() throws {
        let bytes = Array("GET / HTTP/1.1\r\nA: ".utf8) + Array(0x80...0xFF) + Array("\r\nHost: b\r\n\r\n".utf8)
        #expect(try accepted(bytes).byteCount == bytes.count)
    }

    /// One scanner serves all requests of a connection.
    @Test func scannerIsReadyForTheNextHead() throws {
        let first = Array(
            "POST /1 HTTP/1.0\r\nX-Forwarded-For: a, b\r\nX-Neutron-Network-ID: n\r\nHost: h\r\n\r\n".utf8
        )
        let second = Array("GET /22 HTTP/1.1\r\nHost: h\r\n\r\n".utf8)
        let broken = Array("GET / HTTP/1.1\r\nHost: h\r\n oops\r\n\r\n".utf8)
        var scanner = RequestHeadScanner()
        #expect(scanner.scan(first) == .complete(try accepted(first)))
        #expect(scanner.scan(second) == .complete(try accepted(second)))
        #expect(scanner.scan(broken) == .fault(.malformed(.foldedLine)))
        #expect(scanner.scan(second) == .complete(try accepted(second)))
        #expect(scanner.scan(Array(first.prefix(40))) == .needMore)
        scanner.reset()
        #expect(scanner.scan(second) == .complete(try accepted(second)))
        // Fewer bytes than before can only be another head.
        #expect(scanner.scan(Array(first.prefix(70))) == .needMore)
        #expect(scanner.scan(second) == .complete(try accepted(second)))
    }

    /// A guest that sends single bytes must not make us read everything again for each of them: bytes that were read
    /// before are spoilt here, and nobody notices.
    @Test func bytesAreReadOnlyOnce() throws {
        let start = Array("GET / HTTP/1.1\r\nHost: h\r\nX-Long: abcdefghijklmnopqrst".utf8)
        var scanner = RequestHeadScanner()
        #expect(scanner.scan(start) == .needMore)
        var spoilt = [UInt8](repeating: 0, count: start.count) + Array("uvw\r\nX-Bellhop-Held: 1\r\n\r\n".utf8)
        let name = Array("X-Long: ".utf8)
        let line = start.count - 20 - name.count
        spoilt.replaceSubrange(line..<line + name.count, with: name)
        guard case .complete(let head) = scanner.scan(spoilt) else {
            Issue.record("bytes were read twice")
            return
        }
        #expect(head.byteCount == spoilt.count)
        #expect(head.heldMilliseconds == ByteRange(start: spoilt.count - 5, count: 1))
    }
}
