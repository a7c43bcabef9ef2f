import HTTPWire

/// Reads one answer to a GET from the bytes of its connection. No I/O; the bytes may come in any pieces.
struct AnswerReader: ~Copyable {
    /// The longest body taken. Documents are at most some hundred kilobytes; a guest would take more, a storm of
    /// thousands must not.
    static let bodyBytesMax: UInt64 = 8 << 20
    /// Room offered for one read.
    static let readBytes = 16_384

    enum Step: Equatable {
        case needMore
        case complete(CallAnswer)
        case fault
    }

    private enum Phase {
        case head
        case body
        case over
    }

    private var phase = Phase.head
    private var input = ByteQueue()
    private var scanner = ResponseHeadScanner()
    private var framing = BodyFraming.none
    private var reader = BodyReader(.none)
    private var answer = CallAnswer(status: 0)
    /// Bytes received for this answer, heads included.
    private(set) var byteCount = 0

    init() {}

    /// Forgets everything, for the next answer, and keeps no memory.
    mutating func reset() {
        phase = .head
        input.removeAll()
        input.releaseIfEmpty()
        scanner.reset()
        answer = CallAnswer(status: 0)
        byteCount = 0
    }

    /// Offers room to `fill`, which returns how many bytes it put there, and says what these make of the answer.
    mutating func read(_ fill: (UnsafeMutableRawBufferPointer) -> Int) -> Step {
        byteCount += input.fill(room: Self.readBytes, fill)
        return advance()
    }

    /// The connection has ended in good order.
    mutating func endOfStream() -> Step {
        guard phase == .body else { return .fault }
        switch reader.endOfStream() {
        case .end: return finish()
        case .fault(.cutShort):
            // A body with a length looks whole to a client that does not count; a chunked one does not.
            guard case .length = framing else { return .fault }
            answer.isCutShort = true
            return finish()
        case .fault, .needMore, .payload: return .fault
        }
    }

    private mutating func advance() -> Step {
        while true {
            switch phase {
            case .head:
                guard let step = readHead() else { continue }
                return step
            case .body:
                guard let step = readBody() else { continue }
                return step
            case .over:
                return .fault
            }
        }
    }

    /// Nil if there is more to do with the bytes at hand.
    private mutating func readHead() -> Step? {
        let scan = input.withBytes { scanner.scan($0, answering: .get) }
        switch scan {
        case .needMore:
            return .needMore
        case .fault:
            return .fault
        case .complete(let head):
            answer.status = head.status
            answer.retryAfter = head.retryAfter.map { range in
                input.withUnsafeBytes { String(decoding: $0[range.start..<range.end], as: UTF8.self) }
            }
            input.consume(head.byteCount)
            // An interim answer: the real one follows.
            if head.status < 200 { return nil }
            framing = head.framing
            reader = BodyReader(head.framing, bytesMax: Self.bodyBytesMax)
            phase = .body
            return nil
        }
    }

    private mutating func readBody() -> Step? {
        switch input.withBytes({ reader.next($0) }) {
        case .needMore(let skip):
            input.consume(skip)
            return .needMore
        case .payload(let skip, let count):
            input.withUnsafeBytes { answer.body.append(contentsOf: $0[skip..<skip + count]) }
            input.consume(skip + count)
            return nil
        case .end(let skip):
            input.consume(skip)
            return finish()
        case .fault:
            return .fault
        }
    }

    private mutating func finish() -> Step {
        phase = .over
        return .complete(answer)
    }
}
