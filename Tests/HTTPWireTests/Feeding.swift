import HTTPWire

/// Ways to give bytes to the machines, shared by the tests and the fuzzer: all at once, or in pieces.
enum Feeding {
    /// Sizes of pieces that together make `total`: single bytes, or seeded ones of 1 to 40 bytes.
    static func singleBytes(_ total: Int) -> [Int] {
        Array(repeating: 1, count: total)
    }

    static func seeded(_ total: Int, by random: inout SeededRandom) -> [Int] {
        var pieces: [Int] = []
        var left = total
        while left > 0 {
            let piece = min(left, 1 + random.below(random.below(4) == 0 ? 40 : 4))
            pieces.append(piece)
            left -= piece
        }
        return pieces
    }

    /// The first answer other than `needMore` while the bytes grow by `pieces`.
    static func request(_ bytes: [UInt8], pieces: [Int], limits: HeadLimits = HeadLimits()) -> HeadScan<RequestHead> {
        var scanner = RequestHeadScanner(limits: limits)
        return growing(bytes, pieces) { scanner.scan($0) }
    }

    static func response(
        _ bytes: [UInt8],
        answering method: RequestHead.Method,
        pieces: [Int],
        limits: HeadLimits = HeadLimits()
    ) -> HeadScan<ResponseHead> {
        var scanner = ResponseHeadScanner(limits: limits)
        return growing(bytes, pieces) { scanner.scan($0, answering: method) }
    }

    private static func growing<Head>(
        _ bytes: [UInt8],
        _ pieces: [Int],
        _ scan: (Span<UInt8>) -> HeadScan<Head>
    ) -> HeadScan<Head> {
        var count = 0
        for piece in pieces {
            count += piece
            let answer = scan(bytes.span.extracting(first: count))
            if case .needMore = answer { continue }
            return answer
        }
        return .needMore
    }

    /// What came of a body.
    struct Body: Equatable {
        enum Ending: Equatable {
            case open
            case end
            case fault(WireFault)
        }

        var payload: [UInt8] = []
        var ending = Ending.open
        /// Bytes of the stream that belonged to the body.
        var consumed = 0
        /// A promise that the reader broke.
        var violation: String?
    }

    /// Reads a body of which the stream delivers `pieces`, and drops what it is told to drop after each step.
    static func body(_ bytes: [UInt8], reader start: BodyReader, pieces: [Int]) -> Body {
        var reader = start
        var body = Body()
        var arrived = 0
        for piece in pieces {
            arrived += piece
            var isHungry = false
            while !isHungry {
                let given = bytes.span.extracting(body.consumed..<arrived)
                switch reader.next(given) {
                case .needMore(let skip):
                    if skip < 0 || skip > given.count { body.violation = "needMore skips \(skip) of \(given.count)" }
                    body.consumed += skip
                    isHungry = true
                case .payload(let skip, let count):
                    guard skip >= 0, count >= 1, skip + count <= given.count else {
                        body.violation = "payload \(skip)+\(count) of \(given.count)"
                        return body
                    }
                    let start = body.consumed + skip
                    body.payload += bytes[start..<start + count]
                    body.consumed = start + count
                case .end(let skip):
                    if skip < 0 || skip > given.count { body.violation = "end skips \(skip) of \(given.count)" }
                    if !reader.isDone { body.violation = "ended but not done" }
                    body.consumed += skip
                    body.ending = .end
                    return body
                case .fault(let fault):
                    if reader.isDone { body.violation = "failed but done" }
                    body.ending = .fault(fault)
                    return body
                }
                if body.violation != nil { return body }
            }
        }
        return body
    }
}

extension RequestHeadScanner {
    mutating func scan(_ bytes: [UInt8]) -> HeadScan<RequestHead> { scan(bytes.span) }
}

extension BodyReader {
    mutating func next(_ bytes: [UInt8]) -> BodyStep { next(bytes.span) }
}
