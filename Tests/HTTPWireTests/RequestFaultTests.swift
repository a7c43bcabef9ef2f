import HTTPWire
import Testing

/// What a request head may not be. Each of these shapes has let somebody smuggle a request past a proxy, or pose as
/// somebody else, with some pair of servers.
struct RequestFaultTests {
    private func scan(_ text: String) -> HeadScan<RequestHead> {
        let bytes = Array(text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) })
        return Feeding.request(bytes, pieces: [bytes.count])
    }

    @Test(arguments: [
        ("GET", WireFault.malformed(.requestLine)),
        ("GET ", .malformed(.requestLine)),
        (" / HTTP/1.1", .malformed(.requestLine)),
        ("G(T / HTTP/1.1", .malformed(.method)),
        ("G\u{E9}T / HTTP/1.1", .malformed(.method)),
        ("GET  / HTTP/1.1", .malformed(.target)),
        ("GET  HTTP/1.1", .malformed(.target)),
        ("GET / HTTP/1.1 ", .malformed(.version)),
        ("GET /a b HTTP/1.1", .malformed(.target)),
        ("GET /a#b HTTP/1.1", .malformed(.target)),
        ("GET /0123456789#b HTTP/1.1", .malformed(.target)),
        ("GET /\u{E9} HTTP/1.1", .malformed(.target)),
        ("GET /0123456789\u{80} HTTP/1.1", .malformed(.target)),
        ("GET /\t HTTP/1.1", .malformed(.controlByte)),
        ("GET /\u{0} HTTP/1.1", .malformed(.controlByte)),
        ("GET /\u{7F} HTTP/1.1", .malformed(.controlByte)),
        ("GET / HTTP/1.1\r", .malformed(.bareCarriageReturn)),
        ("GET /\r HTTP/1.1", .malformed(.bareCarriageReturn)),
        ("GET a HTTP/1.1", .malformed(.targetForm)),
        ("GET * HTTP/1.1", .malformed(.targetForm)),
        ("OPTIONS ** HTTP/1.1", .malformed(.targetForm)),
        ("GET h:80 HTTP/1.1", .malformed(.targetForm)),
        ("GET ftp://h/ HTTP/1.1", .malformed(.targetForm)),
        ("GET http:/h/ HTTP/1.1", .malformed(.targetForm)),
        ("GET http:// HTTP/1.1", .malformed(.targetForm)),
        ("GET https:// HTTP/1.1", .malformed(.targetForm)),
        ("GET http:///a HTTP/1.1", .malformed(.targetForm)),
        ("GET http://?a HTTP/1.1", .malformed(.targetForm)),
        ("GET / http/1.1", .malformed(.version)),
        ("GET / HTTP/1.10", .malformed(.version)),
        ("GET / HTTP/11", .malformed(.version)),
        ("GET / HTTP/1,1", .malformed(.version)),
        ("GET / HTTP/x.1", .malformed(.version)),
        ("GET / HTTP/1.x", .malformed(.version)),
        ("GET / HTTPS/1.1", .malformed(.version)),
        ("GET / FTP", .malformed(.version)),
        ("GET /", .versionNotSupported),
        ("GET / HTTP/0.9", .versionNotSupported),
        ("GET / HTTP/2.0", .versionNotSupported),
        ("GET / HTTP/3.9", .versionNotSupported),
        ("PRI * HTTP/2.0", .versionNotSupported),
    ])
    func requestLineIsRefused(line: String, fault: WireFault) {
        #expect(scan(line + "\r\n\r\n") == .fault(fault))
    }

    @Test(arguments: [
        ("Host: a\r\nHost: b", WireFault.Reason.repeatedHost),
        ("Host: a\r\nhost: a", .repeatedHost),
        (" Host: a", .foldedLine),
        ("A: b\r\n c", .foldedLine),
        ("A: b\r\n\tX-Forwarded-For: c", .foldedLine),
        ("A: b\r\n \r\nC: d", .foldedLine),
        ("Host : a", .blankBeforeColon),
        ("X-Forwarded-For\t: a", .blankBeforeColon),
        ("Host a", .missingColon),
        ("nonsense", .missingColon),
        (": a", .fieldName),
        (":", .fieldName),
        ("Ho st: a", .fieldName),
        ("Host\u{E9}: a", .fieldName),
        ("Ho/st: a", .fieldName),
        ("\"Host\": a", .fieldName),
        ("(Host): a", .fieldName),
        ("[: a", .fieldName),
        ("A: b\u{0}", .controlByte),
        ("A: \u{1B}[0m", .controlByte),
        ("A: \u{7F}", .controlByte),
        ("A: \u{B}chunked", .controlByte),
        ("A\u{0}: b", .controlByte),
        ("A: b\rC: d", .bareCarriageReturn),
        ("A: b\r", .bareCarriageReturn),
        ("\rA: b", .bareCarriageReturn),
        ("Content-Length:", .contentLength),
        ("Content-Length: +1", .contentLength),
        ("Content-Length: -1", .contentLength),
        ("Content-Length: 1 0", .contentLength),
        ("Content-Length: 1,1", .contentLength),
        ("Content-Length: 0x10", .contentLength),
        ("Content-Length: 1e3", .contentLength),
        ("Content-Length: \u{B2}", .contentLength),
        ("Content-Length: 18446744073709551616", .contentLength),
        ("Content-Length: 99999999999999999999999", .contentLength),
        ("Content-Length: 1\r\nContent-Length: 2", .differentContentLengths),
        ("Content-Length: 1\r\nA: b\r\ncontent-length: 0", .differentContentLengths),
        ("Transfer-Encoding: gzip", .transferEncoding),
        ("Transfer-Encoding: identity", .transferEncoding),
        ("Transfer-Encoding: gzip, chunked", .transferEncoding),
        ("Transfer-Encoding: chunked, chunked", .transferEncoding),
        ("Transfer-Encoding: chunked;q=1", .transferEncoding),
        ("Transfer-Encoding: \"chunked\"", .transferEncoding),
        ("Transfer-Encoding:", .transferEncoding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", .transferEncoding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: x", .transferEncoding),
        ("Transfer-Encoding: chunked\r\nContent-Length: 1", .lengthAndTransferEncoding),
        ("Content-Length: 1\r\nTransfer-Encoding: chunked", .lengthAndTransferEncoding),
        ("Content-Length: 0\r\nTransfer-Encoding: chunked", .lengthAndTransferEncoding),
    ])
    func headerIsRefused(lines: String, reason: WireFault.Reason) {
        #expect(scan("POST / HTTP/1.1\r\n\(lines)\r\n\r\n") == .fault(.malformed(reason)))
    }

    @Test func everyControlByteIsRefusedEverywhere() {
        for byte in Array(0x00...0x1F) + [0x7F] where byte != 0x0A {
            let sign = String(Unicode.Scalar(UInt8(byte)))
            for text in [
                "GE\(sign)T / HTTP/1.1\r\n\r\n", "GET /\(sign) HTTP/1.1\r\n\r\n",
                "GET / HTTP/1.1\r\nA\(sign)B: c\r\n\r\n",
            ] {
                guard case .fault(.malformed) = scan(text) else {
                    Issue.record("byte \(byte) in \(text.debugDescription)")
                    continue
                }
            }
            if byte == 0x09 { continue }
            let fault: WireFault.Reason = byte == 0x0D ? .bareCarriageReturn : .controlByte
            #expect(scan("GET / HTTP/1.1\r\nA: b\(sign)c\r\n\r\n") == .fault(.malformed(fault)))
        }
    }

    @Test func everyByteOfANameIsATokenByte() {
        let token = Set("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".unicodeScalars)
        for value in UInt8(0x21)...0xFF where value != UInt8(ascii: ":") {
            let sign = Unicode.Scalar(value)
            // Short and long, so that both ways of reading a name meet the byte.
            for text in ["A\(sign)B: c", "Abcdefghijk\(sign)lmnop: a value of some length"] {
                let scan = scan("GET / HTTP/1.1\r\n\(text)\r\n\r\n")
                if token.contains(sign), case .complete = scan { continue }
                if !token.contains(sign), scan == .fault(.malformed(value == 0x7F ? .controlByte : .fieldName)) {
                    continue
                }
                Issue.record("byte \(value): \(scan)")
            }
        }
    }

    @Test func chunksNeedHTTP11() {
        #expect(
            scan("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n")
                == .fault(.malformed(.transferEncodingInHTTP10))
        )
    }

    @Test func onlyOneExpectationIsKnown() {
        for value in ["200-ok", "100-continue, 100-continue", "100-continue;a", "100"] {
            #expect(
                scan("POST / HTTP/1.1\r\nExpect: \(value)\r\nContent-Length: 1\r\n\r\n") == .fault(.expectationFailed)
            )
        }
        let mixed = "POST / HTTP/1.1\r\nExpect: 100-continue\r\nExpect: 200-ok\r\nExpect: 100-continue\r\n\r\n"
        #expect(scan(mixed) == .fault(.expectationFailed))
        // What is malformed as well is malformed first.
        #expect(scan("POST / HTTP/1.1\r\nExpect: x\r\nA b\r\n\r\n") == .fault(.malformed(.missingColon)))
    }

    @Test func thirdEmptyLineIsOneTooMany() {
        #expect(scan("\r\n\n\r\nGET / HTTP/1.1\r\n\r\n") == .fault(.malformed(.emptyLines)))
        #expect(scan("\r\n\n\r\n") == .fault(.malformed(.emptyLines)))
    }

    @Test func foreignProtocolsAreRefusedAtTheirFirstBytes() {
        #expect(scan("\u{16}\u{3}\u{1}") == .fault(.malformed(.controlByte)))
        #expect(scan("SSH-2.0-OpenSSH_9.2\r\n") == .fault(.malformed(.requestLine)))
    }

    @Test func everyReasonHasItsOwnWords() {
        let reasons: [WireFault.Reason] = [
            .controlByte, .bareCarriageReturn, .emptyLines, .requestLine, .method, .target, .targetForm, .version,
            .statusLine, .foldedLine, .blankBeforeColon, .missingColon, .fieldName, .repeatedHost, .contentLength,
            .differentContentLengths, .transferEncoding, .transferEncodingInHTTP10, .lengthAndTransferEncoding,
            .chunkSize, .chunkLineTooLong, .chunkEnd, .trailer, .trailersTooLong,
        ]
        let faults: [WireFault] =
            reasons.map { .malformed($0) } + [
                .headTooLarge, .targetTooLong, .bodyTooLarge, .versionNotSupported, .expectationFailed,
                .cutShort,
            ]
        #expect(Set(faults.map(\.description)).count == faults.count)
        #expect("\(WireFault.malformed(.chunkEnd))" == "malformed: a chunk does not end with a line end")
    }
}
