import HTTPWire
import Testing

/// Answers of Nova and of Python agents of all releases.
struct ResponseHeadTests {
    private func scan(_ text: String, answering method: RequestHead.Method = .get) -> HeadScan<ResponseHead> {
        let bytes = Array(text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) })
        return Feeding.response(bytes, answering: method, pieces: [bytes.count])
    }

    private func accepted(
        _ text: String,
        answering method: RequestHead.Method = .get,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> ResponseHead {
        let scan = scan(text, answering: method)
        guard case .complete(let head) = scan else {
            Issue.record("not accepted: \(scan)", sourceLocation: sourceLocation)
            throw WireFault.cutShort
        }
        return head
    }

    private func value(_ range: ByteRange?, in text: String) -> String? {
        guard let range else { return nil }
        return String(decoding: Array(text.utf8)[range.start..<range.end], as: UTF8.self)
    }

    @Test(arguments: 100...599)
    func everyStatusIsReported(status: Int) throws {
        let head = try accepted("HTTP/1.1 \(status) Some Reason\r\nContent-Length: 0\r\n\r\n")
        #expect(head.status == status)
        #expect(head.minorVersion == 1)
    }

    @Test(arguments: [
        "HTTP/1.1 200", "HTTP/1.1 200 ", "HTTP/1.1 200 O K", "HTTP/1.1 200 caf\u{E9}\tX", "HTTP/1.3 200 OK",
    ])
    func statusLineMayLackItsReason(line: String) throws {
        let head = try accepted(line + "\r\n\r\n")
        #expect(head.status == 200)
        #expect(head.minorVersion == 1)
        #expect(head.byteCount == line.unicodeScalars.count + 4)
    }

    @Test(arguments: [
        ("", WireFault.malformed(.statusLine)),
        ("HTTP/1.1", .malformed(.statusLine)),
        ("HTTP/1.1 ", .malformed(.statusLine)),
        ("HTTP/1.1 20", .malformed(.statusLine)),
        ("HTTP/1.1 20 OK", .malformed(.statusLine)),
        ("HTTP/1.1 2000", .malformed(.statusLine)),
        ("HTTP/1.1 2x0 OK", .malformed(.statusLine)),
        ("HTTP/1.1 099 OK", .malformed(.statusLine)),
        ("HTTP/1.1  200 OK", .malformed(.statusLine)),
        ("HTTP/1.1\t200 OK", .malformed(.statusLine)),
        ("HTTP/1.1 -12 OK", .malformed(.statusLine)),
        ("HTTP/1.11 200 OK", .malformed(.statusLine)),
        ("ICY 200 OK", .malformed(.version)),
        ("http/1.1 200 OK", .malformed(.version)),
        ("HTTP/2.0 200 OK", .versionNotSupported),
        ("HTTP/1.1 200 O\u{0}K", .malformed(.controlByte)),
        ("HTTP/1.1 200 O\rK", .malformed(.bareCarriageReturn)),
    ])
    func statusLineIsRefused(line: String, fault: WireFault) {
        #expect(scan(line + "\r\n\r\n") == .fault(fault))
    }

    @Test(arguments: [
        ("Content-Type: a\r\n b", WireFault.Reason.foldedLine),
        ("nonsense", .missingColon),
        (": b", .fieldName),
        (" : b", .foldedLine),
        ("Ho st: b", .fieldName),
        ("A: \u{0}", .controlByte),
        ("A: b\rC: d", .bareCarriageReturn),
        ("Content-Length: -1", .contentLength),
        ("Content-Length: 1, 1", .contentLength),
        ("Content-Length: 1\r\nContent-Length: 2", .differentContentLengths),
        ("Transfer-Encoding: gzip, chunked", .transferEncoding),
    ])
    func headerIsRefused(lines: String, reason: WireFault.Reason) {
        #expect(scan("HTTP/1.1 200 OK\r\n\(lines)\r\n\r\n") == .fault(.malformed(reason)))
    }

    @Test(arguments: [
        ("HTTP/1.1 200", "Content-Length: 5\r\n", BodyFraming.length(5), true),
        ("HTTP/1.1 200", "content-LENGTH :5\r\nContent-Length: 05\r\n", .length(5), true),
        ("HTTP/1.1 200", "Content-Length: 5\r\nConnection: Close\r\n", .length(5), false),
        ("HTTP/1.0 200", "Content-Length: 5\r\n", .length(5), false),
        ("HTTP/1.0 200", "Content-Length: 5\r\nConnection: keep-alive\r\n", .length(5), true),
        ("HTTP/1.1 200", "Content-Length: 0\r\n", .length(0), true),
        ("HTTP/1.1 200", "Transfer-Encoding: Chunked\r\n", .chunked, true),
        ("HTTP/1.1 200", "Transfer-Encoding: chunked\r\nConnection: close\r\n", .chunked, false),
        ("HTTP/1.1 200", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", .chunked, false),
        ("HTTP/1.0 200", "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n", .chunked, false),
        ("HTTP/1.1 200", "", .untilClose, false),
        ("HTTP/1.1 404", "Connection: keep-alive\r\n", .untilClose, false),
        ("HTTP/1.1 205", "Content-Length: 0\r\n", .length(0), true),
        ("HTTP/1.1 100", "", BodyFraming.none, true),
        ("HTTP/1.1 103", "Link: a\r\n", BodyFraming.none, true),
        ("HTTP/1.1 199", "Content-Length: 5\r\n", BodyFraming.none, false),
        ("HTTP/1.1 204", "", BodyFraming.none, true),
        ("HTTP/1.1 204", "Content-Length: 0\r\n", BodyFraming.none, true),
        ("HTTP/1.1 204", "Content-Length: 5\r\n", BodyFraming.none, false),
        ("HTTP/1.1 204", "Transfer-Encoding: chunked\r\n", BodyFraming.none, false),
        ("HTTP/1.1 304", "Content-Length: 5\r\n", BodyFraming.none, true),
        ("HTTP/1.1 304", "", BodyFraming.none, true),
    ])
    func bodyEndsWhereRFC9112Says(line: String, headers: String, framing: BodyFraming, keepsAlive: Bool) throws {
        let head = try accepted("\(line)\r\n\(headers)\r\n")
        #expect(head.framing == framing)
        #expect(head.keepsAlive == keepsAlive)
    }

    @Test(arguments: ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", ""])
    func answerToHEADHasNoBody(headers: String) throws {
        let head = try accepted("HTTP/1.1 200 OK\r\n\(headers)\r\n", answering: .head)
        #expect(head.framing == BodyFraming.none)
        #expect(head.keepsAlive)
    }

    @Test func answerToCONNECTHasNoBodyIfItSucceeds() throws {
        #expect(try accepted("HTTP/1.1 200 OK\r\n\r\n", answering: .connect).framing == BodyFraming.none)
        #expect(try accepted("HTTP/1.1 405 No\r\n\r\n", answering: .connect).framing == .untilClose)
    }

    @Test func contentTypeAndRetryAfterAreFoundInAnyCase() throws {
        let text =
            "HTTP/1.1 503 No\r\ncontent-TYPE:\ttext/plain; charset=UTF-8 \r\n"
            + "retry-after: 2\r\nContent-Length: 0\r\n\r\n"
        let head = try accepted(text)
        #expect(value(head.contentType, in: text) == "text/plain; charset=UTF-8")
        #expect(value(head.retryAfter, in: text) == "2")
    }

    @Test func firstContentTypeThatSaysSomethingCounts() throws {
        let text = "HTTP/1.1 200 OK\r\nContent-Type: \r\nContent-Type: a/b\r\nContent-Type: c/d\r\n\r\n"
        #expect(value(try accepted(text).contentType, in: text) == "a/b")
        #expect(try accepted("HTTP/1.1 200 OK\r\nContent-Types: a\r\nContent_Type: b\r\n\r\n").contentType == nil)
        #expect(try accepted("HTTP/1.1 200 OK\r\nRetry-After:\r\n\r\n").retryAfter == nil)
    }

    /// Neutron 2025.2 and later: bare line feeds throughout.
    @Test func answerOfThePythonAgentIsRead() throws {
        let text =
            "HTTP/1.1 404 Not Found\nContent-Type: text/plain; charset=UTF-8\n"
            + "Connection: close\nContent-Length: 9\n\n<html>404"
        let head = try accepted(text)
        #expect(head.status == 404)
        #expect(head.framing == .length(9))
        #expect(head.keepsAlive == false)
        #expect(head.byteCount == text.utf8.count - 9)
    }

    @Test func interimAnswersAreSkippedOneByOne() throws {
        let text =
            "HTTP/1.1 100 Continue\r\n\r\n" + "HTTP/1.1 103 Hints\r\nA: b\r\n\r\n"
            + "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"
        let bytes = Array(text.utf8)
        var scanner = ResponseHeadScanner()
        var offset = 0
        var statuses: [Int] = []
        while case .complete(let head) = scanner.scan(bytes.span.extracting(offset...), answering: .get) {
            statuses.append(head.status)
            offset += head.byteCount
            if head.status >= 200 { break }
        }
        #expect(statuses == [100, 103, 200])
        #expect(offset == bytes.count - 1)
    }

    /// LP 2097273: Neutron 2025.1 sent heads without their empty line; that is an open head, not an answer.
    @Test func unterminatedHeadStaysOpen() {
        #expect(scan("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n") == .needMore)
        #expect(scan("") == .needMore)
    }
}
