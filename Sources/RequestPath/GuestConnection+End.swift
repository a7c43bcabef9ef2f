import HTTPWire
import MetadataModel
import RelayLoop

/// How a request, and how the connection ends.
extension GuestConnection {
    /// Bytes thrown away at most while lingering.
    private static let lingerBytesMax = 1_048_576
    /// How long a new connection may take for its first request once the loop is draining.
    private static let firstRequestWait = LoopSpan.seconds(1)

    /// Writes an answer of our own and ends the exchange.
    func refuse(_ verdict: Verdict) {
        wakeUp()
        dropUpstream()
        phase = .exchanging
        // What is left of the body would be taken for the next request.
        if body != nil || head == nil {
            closesAfterAnswer = true
            hasUnreadRequest = true
        }
        if head != nil { worker.observer.noted(.refused(verdict, client: sender?.address, scope: sender?.scope)) }
        let status = worker.settings.statuses.status(of: verdict)
        output.prepare(from: &worker.blocks)
        let before = output.count
        Answer.writeRefusal(
            verdict,
            status: status,
            to: &output,
            isHead: head?.method == .head,
            persistence: persistence,
            date: worker.currentDate()
        )
        answer.bytesSent += UInt64(output.count - before)
        answer.status = status
        ended(verdict)
    }

    var persistence: Answer.Persistence {
        if closesAfterAnswer { return .close }
        return head?.minorVersion == 0 ? .keepAliveForHTTP10 : .asUsual
    }

    /// The answer is complete in `output`: log it, send it, and be ready for the next request.
    func ended(_ verdict: Verdict?) {
        record(verdict)
        forgetRequest()
        if closesAfterAnswer {
            beginLingering()
            return
        }
        phase = .readingHead
        flush()
        guard phase == .readingHead else { return }
        if isLeaving {
            beginLingering()
            return
        }
        // What the guest has not taken yet has its own time.
        if output.isEmpty { awaitRequest() } else { setDeadline(worker.loop.now + limits.clientTimeout) }
        watch()
        // A pipelined request gets its turn after the others'.
        if !input.isEmpty || link.canRead, let place { worker.loop.again(place) }
    }

    private func record(_ verdict: Verdict?) {
        let now = worker.loop.now
        let record = ExchangeRecord(
            client: sender?.address ?? peer,
            clientPort: port,
            isForwarded: peer == nil,
            scope: sender?.scope,
            instance: exchange.instance?.instance,
            status: answer.status,
            bytesSent: answer.bytesSent,
            duration: now.since(arrived),
            reading: readAt.map { $0.since(arrived) },
            isSilent: head == nil && input.isEmpty,
            held: exchange.wasHeld ? (forwardedAt ?? now).since(arrived) : .zero,
            verdict: verdict
        )
        let observer = worker.observer
        let line = head?.line ?? ByteRange(start: 0, count: 0)
        headBytes.withBytes { observer.finished(record, line: $0.extracting(line.start..<line.end)) }
    }

    /// Lets go of everything that belongs to one request.
    func forgetRequest() {
        worker.collectedBytes -= collected.count
        collected.removeAll()
        collected.releaseIfEmpty()
        leaveCache()
        exchange.end()
        answer = CurrentAnswer()
        head = nil
        body = nil
        sender = nil
        readAt = nil
        forwardedAt = nil
    }

    /// Sends what is left, then closes: at once if the guest has said all it had to say.
    private func beginLingering() {
        phase = .lingering
        setDeadline(worker.loop.now + limits.clientTimeout)
        flush()
    }

    /// Called while lingering with everything sent.
    func linger() {
        guard output.isEmpty else { return }
        guard hasUnreadRequest || !input.isEmpty, !link.hasEnded else { return close() }
        if lingered == 0 {
            Descriptor.shutDownSending(descriptor)
            setDeadline(worker.loop.now + worker.settings.lingerTimeout)
        }
        repeat {
            lingered += max(input.count, 1)
            input.removeAll()
        } while lingered <= Self.lingerBytesMax && read()
        if link.hasEnded || lingered > Self.lingerBytesMax { close() }
    }

    /// No new requests: an idle connection ends now, a busy one after its answer.
    func drain() {
        isLeaving = true
        closesAfterAnswer = true
        guard phase == .readingHead, input.isEmpty else { return }
        link.reads = 0
        // What has arrived unseen is still served.
        if link.canRead, read() { return advance() }
        // So is the first request of a connection that was taken a moment ago: nobody else will.
        guard !hasBegun, !link.hasEnded else { return close() }
        setDeadline(min(worker.loop.now + Self.firstRequestWait, arrived + limits.requestTimeout))
    }

    /// Ends the connection because one side is gone; the answer, if any was begun, stays incomplete and visibly so.
    func abort() {
        guard phase != .closed else { return }
        if head != nil {
            if answer.status == 0 { answer.status = 499 }
            record(nil)
            head = nil
        }
        // An answer that lacks its end must not look complete to a guest that reads to the end of the connection.
        if phase == .passingOn { Descriptor.resetOnClose(descriptor) }
        close()
    }
}
