import HTTPWire
import MetadataModel
import RelayLoop

/// The way back: the next hop's answer, piece by piece.
extension GuestConnection {
    /// The answer's head is complete; its bytes stay with the upstream connection until they are passed on.
    func answerArrived(_ received: ResponseHead) {
        let instance = exchange.instance?.instance
        switch received.status {
        case 403 where worker.mapping == .nova: worker.observer.noted(.signatureRefused(instance))
        case 500, 502, 503, 504: worker.observer.noted(.backendError(status: received.status, instance))
        default: break
        }
        perform(exchange.answered(status: received.status, mapping: worker.mapping, now: worker.loop.now))
    }

    /// Writes the answer's head for the guest.
    ///
    /// - Parameter gathered: the body's length, where only its end told it.
    func passHead(_ received: ResponseHead, in bytes: Span<UInt8>, gathered: UInt64?) {
        let isHTTP10 = head?.minorVersion == 0
        switch (received.framing, gathered) {
        case (_, .some(let count)): answer.framing = .length(count)
        case (.length(let count), _): answer.framing = .length(count)
        case (.none, _): answer.framing = lengthOfHead(received).map { .length($0) } ?? .none
        case (.chunked, _), (.untilClose, _): answer.framing = isHTTP10 ? .untilClose : .chunked
        }
        // The rest of a request that was answered early would be taken for the next one.
        hasUnreadRequest = !hasSentWholeRequest
        if answer.framing == .untilClose || hasUnreadRequest { closesAfterAnswer = true }
        answer.status = received.status
        cacheAnswerBegan(received, in: bytes)
        answer.isOnItsWay = false
        output.prepare(from: &worker.blocks)
        let before = output.count
        Answer.writeHead(
            of: received,
            in: bytes,
            to: &output,
            framing: answer.framing,
            persistence: persistence,
            date: worker.currentDate()
        )
        answer.bytesSent += UInt64(output.count - before)
    }

    /// A guest that asks with HEAD wants to know the length; in other answers without a body it must not stand.
    private func lengthOfHead(_ received: ResponseHead) -> UInt64? {
        head?.method == .head ? received.contentLength : nil
    }

    /// Whether more of the body may be queued: a guest that reads slowly makes the next hop wait.
    var hasRoom: Bool {
        if output.count >= worker.settings.queuedBytesMax { flush() }
        return phase == .passingOn && output.count < worker.settings.queuedBytesMax
    }

    func passBody(_ payload: Span<UInt8>) {
        let before = output.count
        if answer.framing == .chunked {
            Answer.writeChunk(payload, to: &output)
        } else {
            output.append(payload)
        }
        answer.bytesSent += UInt64(output.count - before)
        cacheAnswerPiece(payload)
        setDeadline(worker.loop.now + patience)
    }

    func answerComplete() {
        cacheAnswerEnded()
        if answer.framing == .chunked {
            Answer.writeLastChunk(to: &output)
            answer.bytesSent += 5
        }
        ended(nil)
    }

    /// The answer ended before its end.
    func answerCut() {
        guard answer.status != 0 else { return refuse(.backendBroken) }
        guard !answer.isOnItsWay else { return abort() }
        // Nothing of it has left yet, so the guest can be told in words.
        output.removeLast(Int(answer.bytesSent))
        answer.bytesSent = 0
        refuse(.backendBroken)
    }
}
