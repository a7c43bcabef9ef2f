import MetadataModel
import RelayLoop
import Testing

@testable import NamespaceProxy
@testable import RequestPath

@Suite struct ProxyAccessLineTests {
    private func line(_ request: [UInt8], client: IPAddress? = .v4(0x0A00_0005)) -> String {
        let record = ExchangeRecord(
            client: client,
            scope: nil,
            instance: nil,
            status: 200,
            bytesSent: 321,
            duration: LoopSpan(nanoseconds: 12_345_678),
            held: .zero,
            verdict: nil
        )
        var output: [UInt8] = []
        ProxyAccessLine.append(record, line: request.span, to: &output)
        return String(decoding: output, as: UTF8.self)
    }

    @Test func lineIsTheOriginals() {
        #expect(
            line(Array("GET /latest/meta-data HTTP/1.1".utf8))
                == "10.0.0.5 \"GET /latest/meta-data HTTP/1.1\" status: 200  len: 321 time: 0.0123456"
        )
    }

    @Test func guestCannotCloseTheQuotes() {
        #expect(
            line(Array("GET /\" status: 500 \\".utf8)).hasPrefix("10.0.0.5 \"GET /\\\" status: 500 \\\\\" status: 200")
        )
    }

    @Test func requestLineIsCut() {
        let text = line([UInt8](repeating: UInt8(ascii: "x"), count: 9_000))
        #expect(text.utf8.count < ProxyAccessLine.requestLineBytesMax + 100)
    }

    @Test func unknownClientIsADash() {
        #expect(line([], client: nil).hasPrefix("- \"\" status: 200"))
    }

    @Test(
        arguments: [
            (0, "0.0000000"), (99, "0.0000000"), (100, "0.0000001"), (999_999_999, "0.9999999"),
            (61_000_000_000, "61.0000000"),
        ] as [(UInt64, String)]
    )
    func timeHasSevenDecimals(_ nanoseconds: UInt64, _ text: String) {
        #expect(ProxyAccessLine.seconds(LoopSpan(nanoseconds: nanoseconds)) == text)
    }
}
