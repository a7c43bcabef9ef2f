import Testing

@testable import BootStorm

@Suite struct AnswerReaderTests {
    private let whole = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
    private let chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        + "3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nA: b\r\n\r\n"

    /// Feeds the text in pieces of `size` bytes, and says what came of it; then the end of the stream, if it was open.
    private func read(_ text: String, size: Int, ends: Bool = false) -> AnswerReader.Step {
        var reader = AnswerReader()
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let piece = rest.prefix(size)
            rest = rest.dropFirst(size)
            let step = reader.read { room in
                room.copyBytes(from: piece)
                return piece.count
            }
            if step != .needMore { return step }
        }
        return ends ? reader.endOfStream() : .needMore
    }

    @Test(arguments: 1...80) func answerIsReadInAnyPieces(_ size: Int) {
        let expected = AnswerReader.Step.complete(CallAnswer(status: 200, body: Array("hello".utf8)))
        #expect(read(whole, size: size) == expected)
        #expect(read(chunked, size: size) == expected)
        #expect(read("HTTP/1.1 100 Continue\r\n\r\n" + whole, size: size) == expected)
        let open = "HTTP/1.0 200 OK\r\n\r\nhello"
        #expect(read(open, size: size) == .needMore)
        #expect(read(open, size: size, ends: true) == expected)
    }

    @Test func statusAndRetryAfterAreTold() {
        let text = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n"
        #expect(read(text, size: 1_000) == .complete(CallAnswer(status: 503, retryAfter: "2")))
    }

    @Test func bodyThatEndsEarlyIsCutShortIfItHadALength() {
        let cut = AnswerReader.Step.complete(CallAnswer(status: 200, body: Array("hell".utf8), isCutShort: true))
        #expect(read(String(whole.dropLast()), size: 7, ends: true) == cut)
        #expect(read(String(chunked.dropLast(9)), size: 7, ends: true) == .fault)
    }

    @Test func endWithinAHeadIsAFault() {
        #expect(read("", size: 1, ends: true) == .fault)
        #expect(read("HTTP/1.1 200 OK\r\n", size: 1, ends: true) == .fault)
    }

    @Test(arguments: ["SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 20\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n"])
    func whatIsNotHTTPIsAFault(_ text: String) {
        #expect(read(text, size: 3, ends: true) == .fault)
    }

    @Test func bodyOverTheBoundIsAFault() {
        let length = AnswerReader.bodyBytesMax + 1
        #expect(read("HTTP/1.1 200 OK\r\nContent-Length: \(length)\r\n\r\n", size: 100) == .fault)
    }

    @Test func readerIsUsedAgainAfterAReset() {
        var reader = AnswerReader()
        for _ in 0..<2 {
            let bytes = Array(whole.utf8)
            let step = reader.read { room in
                room.copyBytes(from: bytes)
                return bytes.count
            }
            #expect(step == .complete(CallAnswer(status: 200, body: Array("hello".utf8))))
            #expect(reader.byteCount == bytes.count)
            reader.reset()
        }
    }
}
