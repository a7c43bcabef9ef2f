import HTTPWire

/// What must be true for every input, checked by the corpus tests and by the fuzzer. Each function returns nil, or a
/// sentence about the promise that was broken.
enum WireInvariants {
    /// Runs all checks on one input.
    static func violation(_ bytes: [UInt8], seed: UInt64) -> String? {
        request(bytes, seed: seed) ?? response(bytes, seed: seed) ?? chunked(bytes, seed: seed)
    }

    /// Limits small enough that short inputs meet them, or the usual ones.
    private static func limits(_ random: inout SeededRandom) -> HeadLimits {
        var limits = HeadLimits()
        if random.below(4) == 0 {
            limits.lineBytesMax = random.below(80)
            limits.headBytesMax = random.below(300)
            limits.headersMax = random.below(6)
        }
        return limits
    }

    // MARK: Requests

    static func request(_ bytes: [UInt8], seed: UInt64) -> String? {
        var random = SeededRandom(seed: seed)
        let limits = limits(&random)
        let whole = Feeding.request(bytes, pieces: [bytes.count], limits: limits)
        for pieces in [Feeding.singleBytes(bytes.count), Feeding.seeded(bytes.count, by: &random)] {
            let split = Feeding.request(bytes, pieces: pieces, limits: limits)
            if split != whole { return "request split into \(pieces): \(split), whole: \(whole)" }
        }
        let usual = Feeding.request(bytes, pieces: [bytes.count])
        switch usual {
        case .needMore:
            return nil
        case .fault(.malformed), .fault(.expectationFailed), .fault(.versionNotSupported):
            return refusedRequest(bytes)
        case .fault:
            return nil
        case .complete(let head):
            return accepted(head, bytes)
        }
    }

    /// The reference may accept no head that these bytes begin with.
    private static func refusedRequest(_ bytes: [UInt8]) -> String? {
        var end = bytes.startIndex
        var hasLine = false
        while let feed = bytes[end...].firstIndex(of: 10) {
            let line = bytes[end..<feed]
            let isEmpty = line.isEmpty || line.elementsEqual([13])
            end = feed + 1
            if isEmpty, hasLine { break }
            if !isEmpty { hasLine = true }
        }
        guard ReferenceRequest(Array(bytes[..<end])) == nil else { return "refused, but the reference accepts it" }
        return nil
    }

    private static func accepted(_ head: RequestHead, _ bytes: [UInt8]) -> String? {
        guard (4...bytes.count).contains(head.byteCount) else { return "byteCount \(head.byteCount) of \(bytes.count)" }
        var ranges = [head.methodRange, head.target, head.line]
        ranges += [head.forwardedFor, head.heldMilliseconds].compactMap(\.self)
        for case .one(let range) in [head.networkID, head.routerID] { ranges.append(range) }
        for range in ranges where range.start < 0 || range.count < 0 || range.end > head.byteCount {
            return "\(range) is outside the head"
        }
        let own = Array(bytes[..<head.byteCount])
        if Feeding.request(own, pieces: [own.count]) != .complete(head) { return "scanning the head alone differs" }
        if Feeding.request(own, pieces: [own.count - 1]) != .needMore { return "complete before its last byte" }
        guard let reference = ReferenceRequest(own) else { return "accepted, but the reference refuses it" }
        let facts = facts(of: head, in: bytes)
        if facts != reference { return "\(facts), reference: \(reference)" }
        return rewritten(head, bytes, facts)
    }

    /// A head that is written from the facts alone must say the same facts.
    private static func rewritten(_ head: RequestHead, _ bytes: [UInt8], _ facts: ReferenceRequest) -> String? {
        var text = bytes[head.methodRange.start..<head.methodRange.end] + Array(" ".utf8)
        if head.targetLacksPath { text += Array("/".utf8) }
        text += bytes[head.target.start..<head.target.end]
        text += Array(" HTTP/1.\(head.minorVersion)\r\n".utf8)
        text += Array("Connection: \(head.keepsAlive ? "keep-alive" : "close")\r\n".utf8)
        switch head.framing {
        case .none: break
        case .length(let length): text += Array("Content-Length: \(length)\r\n".utf8)
        case .chunked: text += Array("Transfer-Encoding: chunked\r\n".utf8)
        case .untilClose: return "a request until close"
        }
        if head.expectsContinue { text += Array("Expect: 100-continue\r\n".utf8) }
        func write(_ name: String, _ range: ByteRange?) {
            guard let range else { return }
            text += Array("\(name): ".utf8) + bytes[range.start..<range.end] + Array("\r\n".utf8)
        }
        func write(_ name: String, _ field: RequestHead.Field) {
            switch field {
            case .absent: break
            case .one(let range): write(name, range)
            case .repeated: text += Array("\(name): a,b\r\n".utf8)
            }
        }
        write("X-Neutron-Network-ID", head.networkID)
        write("X-Neutron-Router-ID", head.routerID)
        if head.forwardedForIsList { text += Array("X-Forwarded-For: 192.0.2.1\r\n".utf8) }
        if head.forwardedForIsList, head.forwardedFor == nil { text += Array("X-Forwarded-For:\r\n".utf8) }
        write("X-Forwarded-For", head.forwardedFor)
        write("X-Bellhop-Held", head.heldMilliseconds)
        text += Array("\r\n".utf8)
        let again = Array(text)
        guard case .complete(let second) = Feeding.request(again, pieces: [again.count]) else {
            return "our own head is not accepted"
        }
        let secondFacts = self.facts(of: second, in: again)
        return secondFacts == facts ? nil : "written again: \(secondFacts), before: \(facts)"
    }

    static func facts(of head: RequestHead, in bytes: [UInt8]) -> ReferenceRequest {
        func text(_ range: ByteRange) -> String { latin1(bytes[range.start..<range.end]) }
        func identity(_ field: RequestHead.Field) -> ReferenceRequest.Identity {
            switch field {
            case .absent: .absent
            case .one(let range): .one(text(range))
            case .repeated: .repeated
            }
        }
        var facts = ReferenceRequest()
        facts.method = text(head.methodRange)
        facts.target = (head.targetLacksPath ? "/" : "") + text(head.target)
        facts.minorVersion = head.minorVersion
        facts.framing = head.framing
        facts.keepsAlive = head.keepsAlive
        facts.expectsContinue = head.expectsContinue
        facts.networkID = identity(head.networkID)
        facts.routerID = identity(head.routerID)
        facts.forwardedFor = head.forwardedFor.map(text)
        facts.forwardedForIsList = head.forwardedForIsList
        facts.held = head.heldMilliseconds.map(text)
        return facts
    }

    // MARK: Answers

    static func response(_ bytes: [UInt8], seed: UInt64) -> String? {
        var random = SeededRandom(seed: seed)
        let limits = limits(&random)
        let method: RequestHead.Method = random.below(4) == 0 ? .head : .get
        let whole = Feeding.response(bytes, answering: method, pieces: [bytes.count], limits: limits)
        for pieces in [Feeding.singleBytes(bytes.count), Feeding.seeded(bytes.count, by: &random)] {
            let split = Feeding.response(bytes, answering: method, pieces: pieces, limits: limits)
            if split != whole { return "answer split into \(pieces): \(split), whole: \(whole)" }
        }
        guard case .complete(let head) = whole else { return nil }
        guard (13...bytes.count).contains(head.byteCount) else { return "byteCount \(head.byteCount)" }
        for range in [head.contentType, head.retryAfter].compactMap(\.self) {
            guard range.start >= 0, range.count > 0, range.end <= head.byteCount else { return "\(range) is outside" }
            let text = bytes[range.start..<range.end]
            // It is copied into our own head: it must not be able to end its line.
            if text.contains(where: { $0 < 0x20 && $0 != 0x09 || $0 == 0x7F }) { return "a control byte in a value" }
        }
        if method == .head || head.status < 200 || [204, 304].contains(head.status), head.framing != BodyFraming.none {
            return "a body where none can be"
        }
        if head.framing == .untilClose, head.keepsAlive { return "kept alive although the body ends with the stream" }
        let own = Array(bytes[..<head.byteCount])
        if Feeding.response(own, answering: method, pieces: [own.count], limits: limits) != whole {
            return "scanning the head alone differs"
        }
        return nil
    }

    // MARK: Bodies

    static func chunked(_ bytes: [UInt8], seed: UInt64) -> String? {
        var random = SeededRandom(seed: seed)
        let reader = BodyReader(.chunked, bytesMax: random.below(4) == 0 ? UInt64(random.below(40)) : .max)
        let whole = Feeding.body(bytes, reader: reader, pieces: [bytes.count])
        if let violation = whole.violation { return violation }
        for pieces in [Feeding.singleBytes(bytes.count), Feeding.seeded(bytes.count, by: &random)] {
            let split = Feeding.body(bytes, reader: reader, pieces: pieces)
            if let violation = split.violation { return violation }
            if split.payload != whole.payload || split.ending != whole.ending {
                return "body split into \(pieces): \(split), whole: \(whole)"
            }
            if whole.ending == .end, split.consumed != whole.consumed { return "split body ends elsewhere" }
        }
        let reference = ReferenceChunked(bytes)
        switch whole.ending {
        case .end:
            guard let reference else { return "body accepted, but the reference refuses it" }
            if reference.payload != whole.payload || reference.consumed != whole.consumed {
                return "\(whole), reference: \(reference)"
            }
        case .fault(.malformed), .open:
            if reference != nil { return "body refused, but the reference accepts it" }
        case .fault:
            break
        }
        return nil
    }

    private static func latin1(_ bytes: ArraySlice<UInt8>) -> String {
        var text = ""
        for byte in bytes { text.unicodeScalars.append(Unicode.Scalar(byte)) }
        return text
    }
}
