import HTTPWire
import MetadataModel
import RelayLoop

/// The optional answer cache, between the steps resolve and forward.
extension GuestConnection {
    /// What a request has to do with the cache.
    enum CacheRole {
        case none
        /// Waits for somebody else's answer.
        case waiting
        /// Asks Nova for everybody; the body so far.
        case asking(AnswerCache.Book.Key, contentType: [UInt8]?, body: ByteCollector)
        /// Was told to ask for itself.
        case alone
    }

    /// Bytes of an answer on its way into the cache.
    final class ByteCollector {
        var bytes: [UInt8] = []
    }

    /// True if the request is answered, or waits for somebody else's answer: it is not to be forwarded.
    func isServedByCache() -> Bool {
        guard let cache = worker.answerCache, case .none = cacheRole, let key = cacheKey, let ticket else {
            return false
        }
        switch cache.find(key, now: worker.loop.now, worker.reply(to: ticket)) {
        case .ask:
            cacheRole = .asking(key, contentType: nil, body: ByteCollector())
            return false
        case .wait:
            cacheRole = .waiting
            // From here on it is as if Nova had the request.
            exchange.sent(now: worker.loop.now)
            setDeadline(exchange.deadline)
            watch()
            return true
        case .answer(let answer):
            serve(answer)
            return true
        }
    }

    /// Only what cannot change anything, from an instance that is known.
    private var cacheKey: AnswerCache.Book.Key? {
        guard let head, let sender, let instance = exchange.instance?.instance, head.method == .get, body == nil,
            collected.isEmpty
        else { return nil }
        return headBytes.withBytes { bytes in
            let target = bytes.extracting(head.target.start..<head.target.end)
            guard AnswerCache.covers(target) else { return nil }
            return AnswerCache.Book.Key(
                instance: instance,
                address: sender.address,
                target: target.withUnsafeBufferPointer { Array($0) }
            )
        }
    }

    /// The answer that this request waits for, or nil if it has to ask for itself.
    func sharedAnswerArrived(_ answer: AnswerCache.Book.Answer?, sequence: UInt64) {
        guard sequence == self.sequence, phase == .exchanging, case .waiting = cacheRole else { return }
        if let answer { return serve(answer) }
        cacheRole = .alone
        perform(exchange.forwardNow(now: worker.loop.now))
    }

    private func serve(_ stored: AnswerCache.Book.Answer) {
        cacheRole = .none
        output.prepare(from: &worker.blocks)
        let before = output.count
        Answer.writeStored(stored, to: &output, persistence: persistence, date: worker.currentDate())
        answer.bytesSent = UInt64(output.count - before)
        answer.status = 200
        ended(nil)
    }

    // MARK: On its way into the cache

    func cacheAnswerBegan(_ received: ResponseHead, in bytes: Span<UInt8>) {
        guard case .asking(let key, _, let collector) = cacheRole else { return }
        guard received.status == 200 else { return leaveCache() }
        let type = received.contentType.map { range in
            bytes.extracting(range.start..<range.end).withUnsafeBufferPointer { Array($0) }
        }
        cacheRole = .asking(key, contentType: type, body: collector)
    }

    func cacheAnswerPiece(_ payload: Span<UInt8>) {
        guard case .asking(_, _, let collector) = cacheRole else { return }
        guard collector.bytes.count + payload.count <= AnswerCache.answerBytesMax else { return leaveCache() }
        payload.withUnsafeBufferPointer { collector.bytes.append(contentsOf: $0) }
    }

    func cacheAnswerEnded() {
        guard case .asking(let key, let contentType, let collector) = cacheRole else { return }
        cacheRole = .none
        worker.answerCache?.keep(
            AnswerCache.Book.Answer(contentType: contentType, body: collector.bytes),
            for: key,
            now: worker.loop.now
        )
    }

    /// Whatever ends the request before its answer is complete: those who wait for it ask for themselves.
    func leaveCache() {
        if case .asking(let key, _, _) = cacheRole { worker.answerCache?.abandon(key) }
        cacheRole = .none
    }
}
