import HTTPWire
import MetadataModel
import RelayLoop
import Testing

@testable import RequestPath

@Suite struct AccessLineTests {
    private func line(
        _ request: [UInt8],
        client: IPAddress? = .v4(0x0A00_0005),
        isForwarded: Bool = false,
        nanoseconds: UInt64 = 12_345_678
    ) -> String {
        let record = ExchangeRecord(
            client: client,
            isForwarded: isForwarded,
            scope: nil,
            instance: nil,
            status: 200,
            bytesSent: 321,
            duration: LoopSpan(nanoseconds: nanoseconds),
            held: .zero,
            verdict: nil
        )
        var output = ByteQueue()
        AccessLine.write(record, line: request.span, to: &output)
        return output.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
    }

    @Test func linesAreTheOriginals() {
        let request = Array("GET /latest/meta-data HTTP/1.1".utf8)
        let rest = " \"GET /latest/meta-data HTTP/1.1\" status: 200  len: 321 time: 0.0123456"
        #expect(line(request) == "10.0.0.5" + rest)
        #expect(line(request, isForwarded: true) == "10.0.0.5,<local>" + rest)
    }

    @Test func unknownClientIsNotMadeUp() {
        #expect(line([], client: nil).hasPrefix("- \"\" status: 200"))
        #expect(line([], client: nil, isForwarded: true).hasPrefix("<local> \"\" status: 200"))
    }

    @Test func guestCannotCloseTheQuotes() {
        #expect(
            line(Array("GET /\" status: 500 \\".utf8)).hasPrefix("10.0.0.5 \"GET /\\\" status: 500 \\\\\" status: 200")
        )
    }

    @Test func requestLineIsCut() {
        let text = line([UInt8](repeating: UInt8(ascii: "x"), count: 9_000))
        #expect(text.utf8.count < AccessLine.requestLineBytesMax + 100)
    }

    @Test(
        arguments: [
            (0, "0.0000000"), (99, "0.0000000"), (100, "0.0000001"), (999_999_999, "0.9999999"),
            (61_000_000_000, "61.0000000"),
        ] as [(UInt64, String)]
    )
    func timeHasSevenDecimals(_ nanoseconds: UInt64, _ text: String) {
        #expect(line([], nanoseconds: nanoseconds).hasSuffix(" time: \(text)"))
    }
}

@Suite struct NoteLimiterTests {
    private func at(_ seconds: Double) -> LoopInstant { LoopInstant(nanoseconds: 0) + .seconds(seconds) }

    /// LP 2112130: an unknown guest that asked every second filled the log.
    @Test func equalLinesPassOncePerIntervalAndAreCounted() {
        var limiter = NoteLimiter<String>(interval: .seconds(60))
        #expect(limiter.pass("a", now: at(0)) == 0)
        #expect(limiter.pass("a", now: at(1)) == nil)
        #expect(limiter.pass("a", now: at(59)) == nil)
        #expect(limiter.pass("b", now: at(59)) == 0)
        #expect(limiter.pass("a", now: at(60)) == 2)
        #expect(limiter.pass("a", now: at(120)) == 0)
    }

    @Test func tableStaysWithinItsBound() {
        var limiter = NoteLimiter<Int>(interval: .seconds(60), entriesMax: 3)
        for key in 0..<100 { #expect(limiter.pass(key, now: at(1)) == 0) }
    }
}
