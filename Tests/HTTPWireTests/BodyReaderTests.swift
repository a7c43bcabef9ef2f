import HTTPWire
import Testing

/// Bodies: whole, split at every byte, too large, cut short.
struct BodyReaderTests {
    private func read(_ text: String, _ framing: BodyFraming, bytesMax: UInt64 = .max) -> Feeding.Body {
        let bytes = Array(text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) })
        let reader = BodyReader(framing, bytesMax: bytesMax)
        let whole = Feeding.body(bytes, reader: reader, pieces: [bytes.count])
        #expect(whole.violation == nil)
        // A split may not change what is payload and how it ends.
        for split in 0...bytes.count {
            let body = Feeding.body(bytes, reader: reader, pieces: [split, bytes.count - split])
            #expect(
                body.payload == whole.payload && body.ending == whole.ending && body.violation == nil,
                "split at \(split)"
            )
        }
        let single = Feeding.body(bytes, reader: reader, pieces: Feeding.singleBytes(bytes.count))
        if !bytes.isEmpty { #expect(single.payload == whole.payload && single.ending == whole.ending) }
        return whole
    }

    @Test func bodyWithoutFramingIsDoneAtOnce() {
        for framing in [BodyFraming.none, .length(0)] {
            var reader = BodyReader(framing)
            #expect(reader.isDone)
            #expect(reader.next([1, 2]) == .end(skip: 0))
            #expect(reader.endOfStream() == .end(skip: 0))
        }
    }

    @Test func lengthTakesExactlyItsBytes() {
        var reader = BodyReader(.length(5))
        let bytes: [UInt8] = [1, 2, 3, 4]
        #expect(reader.next([]) == .needMore(skip: 0))
        #expect(reader.next(bytes) == .payload(skip: 0, count: 4))
        #expect(!reader.isDone)
        #expect(reader.next(bytes) == .payload(skip: 0, count: 1))
        #expect(reader.isDone)
        #expect(reader.next(bytes) == .end(skip: 0))
        #expect(reader.next(bytes) == .end(skip: 0))
    }

    @Test func bodyUntilCloseTakesEverything() {
        var reader = BodyReader(.untilClose)
        #expect(reader.next([1, 2]) == .payload(skip: 0, count: 2))
        #expect(reader.next([]) == .needMore(skip: 0))
        #expect(!reader.isDone)
        #expect(reader.endOfStream() == .end(skip: 0))
        #expect(reader.isDone)
        #expect(reader.next([1]) == .end(skip: 0))
    }

    @Test(arguments: [
        ("0\r\n\r\n", ""),
        ("5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("1\r\na\r\nA\r\n0123456789\r\na\r\nABCDEFGHIJ\r\n00\r\n\r\n", "a0123456789ABCDEFGHIJ"),
        ("00000000000000000000003\r\nabc\r\n0\r\n\r\n", "abc"),
        ("2\r\n\r\n\r\n0\r\n\r\n", "\r\n"),
        ("3;a\r\nabc\r\n0;b=\"c;d\"\r\n\r\n", "abc"),
        ("3 \t;a=\tb \u{E9}\r\nabc\r\n0\r\n\r\n", "abc"),
        ("1\r\na\r\n0\r\nX-Forwarded-For: 10.0.0.9\r\nanything\t\r\n\r\n", "a"),
        ("1\r\na\r\n0\r\n \r\n\r\n", "a"),
    ])
    func chunksAreTakenApart(text: String, payload: String) {
        let body = read(text, .chunked)
        #expect(body.ending == .end)
        #expect(String(decoding: body.payload, as: UTF8.self) == payload)
        #expect(body.consumed == text.unicodeScalars.count)
        let followed = read(text + "GET / HTTP/1.1\r\n\r\n", .chunked)
        #expect(followed.consumed == text.unicodeScalars.count, "what follows belongs to the next message")
    }

    @Test(arguments: [
        ("\r\n", WireFault.Reason.chunkSize),
        (" 1\r\na\r\n", .chunkSize),
        (";a\r\n", .chunkSize),
        ("0x1\r\na\r\n", .chunkSize),
        ("-1\r\na\r\n", .chunkSize),
        ("+1\r\na\r\n", .chunkSize),
        ("g\r\n", .chunkSize),
        ("1g\r\n", .chunkSize),
        ("1 \r\na\r\n", .chunkSize),
        ("1 2\r\n", .chunkSize),
        ("1\na\r\n", .chunkSize),
        ("1\ra\r\n", .chunkSize),
        ("1;a\nb\r\n", .chunkSize),
        ("1;a\rb\r\n", .chunkSize),
        ("1;\u{0}\r\n", .chunkSize),
        ("10000000000000000\r\n", .chunkSize),
        ("FFFFFFFFFFFFFFFF0\r\n", .chunkSize),
        ("1\r\nab\r\n", .chunkEnd),
        ("1\r\na\n0\r\n\r\n", .chunkEnd),
        ("1\r\na\r0\r\n\r\n", .chunkEnd),
        ("1\r\na0\r\n\r\n", .chunkEnd),
        ("0\r\n\n", .trailer),
        ("0\r\nA: b\n\r\n", .trailer),
        ("0\r\nA: b\rC: d\r\n\r\n", .trailer),
        ("0\r\nA: \u{0}\r\n\r\n", .trailer),
        ("0\r\n\rx", .trailer),
    ])
    func malformedChunksAreRefused(text: String, reason: WireFault.Reason) {
        #expect(read(text, .chunked).ending == .fault(.malformed(reason)))
    }

    @Test func largestChunkSizeIsNoFault() {
        let body = read("FFFFFFFFFFFFFFFF\r\nabc", .chunked)
        #expect(body.ending == .open)
        #expect(body.payload == Array("abc".utf8))
        // A second chunk would take the sum above what can be counted.
        var reader = BodyReader(.chunked)
        let start = Array("1\r\na\r\nFFFFFFFFFFFFFFFF\r\n".utf8)
        #expect(reader.next(start) == .payload(skip: 3, count: 1))
        #expect(reader.next(Array(start.dropFirst(4))) == .fault(.bodyTooLarge))
    }

    @Test func chunkLineIsBounded() {
        func line(_ count: Int) -> [UInt8] {
            Array(("1;" + String(repeating: "x", count: count - 2) + "\r\na\r\n0\r\n\r\n").utf8)
        }
        let limit = BodyReader.chunkLineBytesMax
        for (count, ending) in [(limit, Feeding.Body.Ending.end), (limit + 1, .fault(.malformed(.chunkLineTooLong)))] {
            let bytes = line(count)
            #expect(Feeding.body(bytes, reader: BodyReader(.chunked), pieces: [bytes.count]).ending == ending)
        }
        let endless = [UInt8](repeating: UInt8(ascii: "0"), count: limit + 1)
        let body = Feeding.body(endless, reader: BodyReader(.chunked), pieces: [endless.count])
        #expect(body.ending == .fault(.malformed(.chunkLineTooLong)))
    }

    @Test func trailersAreBounded() {
        func body(_ trailerBytes: Int) -> [UInt8] {
            Array(("0\r\n" + "A: " + String(repeating: "x", count: trailerBytes - 7) + "\r\n\r\n").utf8)
        }
        let limit = BodyReader.trailerBytesMax
        for (count, ending) in [(limit, Feeding.Body.Ending.end), (limit + 1, .fault(.malformed(.trailersTooLong)))] {
            let bytes = body(count)
            #expect(Feeding.body(bytes, reader: BodyReader(.chunked), pieces: [bytes.count]).ending == ending)
        }
    }

    @Test func bodyMayHaveExactlyTheLimit() {
        #expect(read("abc", .length(3), bytesMax: 3).ending == .end)
        #expect(read("abc", .length(4), bytesMax: 3).ending == .fault(.bodyTooLarge))
        #expect(read("abc", .untilClose, bytesMax: 3).ending == .open)
        let over = read("abcd", .untilClose, bytesMax: 3)
        #expect(over.ending == .fault(.bodyTooLarge))
        #expect(over.payload == Array("abc".utf8))
        #expect(read("2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", .chunked, bytesMax: 3).ending == .end)
        // The announcement is enough: no byte of the chunk that is too large is passed on.
        let chunked = read("2\r\nab\r\n2\r\ncd\r\n", .chunked, bytesMax: 3)
        #expect(chunked.ending == .fault(.bodyTooLarge))
        #expect(chunked.payload == Array("ab".utf8))
    }

    @Test func streamThatEndsInTheMiddleIsCutShort() {
        for (framing, text) in [
            (BodyFraming.length(3), "ab"), (.length(3), ""), (.chunked, ""), (.chunked, "5\r\nab"),
            (.chunked, "0\r\n\r"),
        ] {
            var reader = BodyReader(framing)
            _ = reader.next(Array(text.utf8))
            #expect(reader.endOfStream() == .fault(.cutShort))
            #expect(reader.next([1]) == .fault(.cutShort), "a fault is final")
            #expect(!reader.isDone)
        }
        var reader = BodyReader(.chunked)
        #expect(reader.next(Array("0\r\n\r\n".utf8)) == .end(skip: 5))
        #expect(reader.endOfStream() == .end(skip: 0))
    }

    @Test func faultIsRepeated() {
        var reader = BodyReader(.chunked)
        #expect(reader.next(Array("x".utf8)) == .fault(.malformed(.chunkSize)))
        #expect(reader.next(Array("0\r\n\r\n".utf8)) == .fault(.malformed(.chunkSize)))
        #expect(reader.endOfStream() == .fault(.malformed(.chunkSize)))
    }

    /// A body larger than every buffer, in chunks of all sizes and pieces of all sizes.
    @Test func largeBodyArrivesWhole() {
        var random = SeededRandom(seed: 7)
        let payload = (0..<200_000).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        var bytes: [UInt8] = []
        var offset = 0
        while offset < payload.count {
            let size = min(payload.count - offset, 1 + random.below(random.below(8) == 0 ? 9_000 : 300))
            bytes += Array((String(size, radix: 16) + "\r\n").utf8) + payload[offset..<offset + size] + [13, 10]
            offset += size
        }
        bytes += Array("0\r\n\r\n".utf8)
        var pieces: [Int] = []
        while pieces.reduce(0, +) < bytes.count {
            pieces.append(min(bytes.count - pieces.reduce(0, +), 1 + random.below(5_000)))
        }
        let body = Feeding.body(bytes, reader: BodyReader(.chunked, bytesMax: 200_000), pieces: pieces)
        #expect(body.violation == nil)
        #expect(body.ending == .end)
        #expect(body.payload == payload)
    }
}
