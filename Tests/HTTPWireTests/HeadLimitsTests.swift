import HTTPWire
import Testing

/// Each limit from both sides, and found as soon as the bytes show it.
struct HeadLimitsTests {
    private static let limits = {
        var limits = HeadLimits()
        limits.lineBytesMax = 40
        limits.headBytesMax = 120
        limits.headersMax = 3
        return limits
    }()

    private func request(_ text: String) -> HeadScan<RequestHead> {
        let bytes = Array(text.utf8)
        let whole = Feeding.request(bytes, pieces: [bytes.count], limits: Self.limits)
        #expect(Feeding.request(bytes, pieces: Feeding.singleBytes(bytes.count), limits: Self.limits) == whole)
        return whole
    }

    private func response(_ text: String) -> HeadScan<ResponseHead> {
        let bytes = Array(text.utf8)
        let whole = Feeding.response(bytes, answering: .get, pieces: [bytes.count], limits: Self.limits)
        let split = Feeding.singleBytes(bytes.count)
        #expect(Feeding.response(bytes, answering: .get, pieces: split, limits: Self.limits) == whole)
        return whole
    }

    private func isComplete<Head>(_ scan: HeadScan<Head>) -> Bool {
        if case .complete = scan { true } else { false }
    }

    private func line(_ start: String, to count: Int, _ end: String = "") -> String {
        start + String(repeating: "x", count: count - start.utf8.count - end.utf8.count) + end
    }

    @Test(arguments: ["\r\n", "\n"])
    func requestLineMayHaveExactlyTheLimit(lineEnd: String) {
        #expect(isComplete(request(line("GET /", to: 40, " HTTP/1.1") + lineEnd + lineEnd)))
        #expect(request(line("GET /", to: 41, " HTTP/1.1") + lineEnd + lineEnd) == .fault(.targetTooLong))
    }

    @Test(arguments: ["\r\n", "\n"])
    func headerLineMayHaveExactlyTheLimit(lineEnd: String) {
        #expect(isComplete(request("GET / HTTP/1.1\r\n" + line("A:", to: 40) + lineEnd + lineEnd)))
        #expect(request("GET / HTTP/1.1\r\n" + line("A:", to: 41) + lineEnd + lineEnd) == .fault(.headTooLarge))
        #expect(isComplete(response("HTTP/1.1 200 OK\r\n" + line("A:", to: 40) + lineEnd + lineEnd)))
        #expect(response("HTTP/1.1 200 OK\r\n" + line("A:", to: 41) + lineEnd + lineEnd) == .fault(.headTooLarge))
        #expect(response(line("HTTP/1.1 200 ", to: 41) + lineEnd) == .fault(.headTooLarge))
    }

    @Test func endlessLineIsRefusedWithoutItsEnd() {
        #expect(request(line("GET /", to: 40)) == .needMore)
        #expect(request(line("GET /", to: 41)) == .fault(.targetTooLong))
        #expect(request("GET / HTTP/1.1\r\n" + line("A:", to: 40)) == .needMore)
        #expect(request("GET / HTTP/1.1\r\n" + line("A:", to: 41)) == .fault(.headTooLarge))
        #expect(request(line("GET /", to: 40) + "\r") == .needMore)
    }

    @Test func wholeHeadMayHaveExactlyTheLimit() {
        let start = "GET / HTTP/1.1\r\n" + line("A:", to: 38) + "\r\n" + line("B:", to: 38) + "\r\n"
        #expect(start.utf8.count == 96)
        #expect(isComplete(request(start + line("C:", to: 20) + "\r\n\r\n")))
        #expect(request(start + line("C:", to: 21) + "\r\n\r\n") == .fault(.headTooLarge))
        #expect(isComplete(request(start + line("C:", to: 22) + "\n\n")))
        #expect(request(start + line("C:", to: 23) + "\n\n") == .fault(.headTooLarge))
        // With the limit reached and the head still open, nothing can complete it.
        #expect(request(start + line("C:", to: 23)) == .needMore)
        #expect(request(start + line("C:", to: 24)) == .fault(.headTooLarge))
        #expect(request(start + line("C:", to: 23) + "\r") == .fault(.headTooLarge))
        // Body bytes behind a head of full size do not count.
        #expect(isComplete(request(start + line("C:", to: 20) + "\r\n\r\n" + line("", to: 200))))
    }

    @Test func headersAreCounted() {
        let three = "A:\r\nB:\r\nC:\r\n"
        #expect(isComplete(request("GET / HTTP/1.1\r\n" + three + "\r\n")))
        #expect(request("GET / HTTP/1.1\r\n" + three + "D:\r\n") == .fault(.headTooLarge))
        #expect(isComplete(response("HTTP/1.1 200 OK\r\n" + three + "\r\n")))
        #expect(response("HTTP/1.1 200 OK\r\n" + three + "D:\r\n") == .fault(.headTooLarge))
    }

    /// 16 KiB a line is what Neutron's agents up to 2024.2 took.
    @Test func usualLimitsTakeALineOf16KiB() {
        for (excess, isTaken) in [(0, true), (1, false)] {
            let bytes = Array((line("GET /", to: 16_384 + excess, " HTTP/1.1") + "\r\n\r\n").utf8)
            #expect(isComplete(Feeding.request(bytes, pieces: [bytes.count])) == isTaken)
        }
        let headers = String(repeating: "A:\r\n", count: 256)
        for (more, isTaken) in [("", true), ("A:\r\n", false)] {
            let bytes = Array(("GET / HTTP/1.1\r\n" + headers + more + "\r\n").utf8)
            #expect(isComplete(Feeding.request(bytes, pieces: [bytes.count])) == isTaken)
        }
    }

    @Test func senselessLimitsRefuseEverythingAndTrapNowhere() {
        let bytes = Array("GET / HTTP/1.1\r\nA: b\r\n\r\n".utf8)
        for value in [Int.min, -1, 0] {
            var limits = HeadLimits()
            limits.lineBytesMax = value
            #expect(Feeding.request(bytes, pieces: [bytes.count], limits: limits) == .fault(.targetTooLong))
            limits = HeadLimits()
            limits.headBytesMax = value
            #expect(Feeding.request(bytes, pieces: [bytes.count], limits: limits) == .fault(.targetTooLong))
            limits = HeadLimits()
            limits.headersMax = value
            #expect(Feeding.request(bytes, pieces: [bytes.count], limits: limits) == .fault(.headTooLarge))
        }
        var limits = HeadLimits()
        limits.lineBytesMax = .max
        limits.headBytesMax = .max
        limits.headersMax = .max
        #expect(isComplete(Feeding.request(bytes, pieces: [bytes.count], limits: limits)))
    }
}
