import HTTPWire
import MetadataModel
import RelayLoop

/// The way back: the next hop's answer, piece by piece.
extension GuestConnection {
    /// The answer's head is complete; its bytes stay with the upstream connection until they are passed on.
    func answerArrived(_ answer: ResponseHead) {
        let instance = exchange.instance?.instance
        switch answer.status {
        case 403 where worker.mapping == .nova: worker.observer.noted(.signatureRefused(instance))
        case 500, 502, 503, 504: worker.observer.noted(.backendError(status: answer.status, instance))
        default: break
        }
        perform(exchange.answered(status: answer.status, mapping: worker.mapping, now: worker.loop.now))
    }

    /// Writes the answer's head for the guest.
    ///
    /// - Parameter gathered: the body's length, where only its end told it.
    func passHead(_ answer: ResponseHead, in bytes: Span<UInt8>, gathered: UInt64?) {
        let isHTTP10 = head?.minorVersion == 0
        switch (answer.framing, gathered) {
        case (_, .some(let count)): answerFraming = .length(count)
        case (.length(let count), _): answerFraming = .length(count)
        case (.none, _): answerFraming = lengthOfHead(answer).map { .length($0) } ?? .none
        case (.chunked, _), (.untilClose, _): answerFraming = isHTTP10 ? .untilClose : .chunked
        }
        // The rest of a request that was answered early would be taken for the next one.
        hasUnreadRequest = !hasSentWholeRequest
        if answerFraming == .untilClose || hasUnreadRequest { closesAfterAnswer = true }
        answerStatus = answer.status
        isAnswerOnItsWay = false
        let before = output.count
        Answer.writeHead(
            of: answer,
            in: bytes,
            to: &output,
            framing: answerFraming,
            persistence: persistence,
            date: worker.currentDate()
        )
        bytesSent += UInt64(output.count - before)
    }

    /// A guest that asks with HEAD wants to know the length; in other answers without a body it must not stand.
    private func lengthOfHead(_ answer: ResponseHead) -> UInt64? {
        head?.method == .head ? answer.contentLength : nil
    }

    /// Whether more of the body may be queued: a guest that reads slowly makes the next hop wait.
    var hasRoom: Bool {
        if output.count >= worker.settings.queuedBytesMax { flush() }
        return phase == .passingOn && output.count < worker.settings.queuedBytesMax
    }

    func passBody(_ payload: Span<UInt8>) {
        let before = output.count
        if answerFraming == .chunked {
            Answer.writeChunk(payload, to: &output)
        } else {
            output.append(payload)
        }
        bytesSent += UInt64(output.count - before)
        setDeadline(worker.loop.now + patience)
    }

    func answerComplete() {
        if answerFraming == .chunked {
            Answer.writeLastChunk(to: &output)
            bytesSent += 5
        }
        ended(nil)
    }

    /// The answer ended before its end.
    func answerCut() {
        guard answerStatus != 0 else { return refuse(.backendBroken) }
        guard !isAnswerOnItsWay else { return abort() }
        // Nothing of it has left yet, so the guest can be told in words.
        output.removeLast(Int(bytesSent))
        bytesSent = 0
        refuse(.backendBroken)
    }
}
