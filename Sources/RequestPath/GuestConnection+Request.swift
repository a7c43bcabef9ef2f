import HTTPWire
import MetadataModel
import RelayLoop

/// Reading the request: its head, and the bytes of its body as they come.
extension GuestConnection {
    /// False when there is nothing more to do now.
    func scanHead() -> Bool {
        // A guest that asks on without taking its answers is not listened to meanwhile.
        if output.count >= worker.settings.queuedBytesMax {
            flush()
            guard phase == .readingHead, output.count < worker.settings.queuedBytesMax else { return false }
        }
        if input.isEmpty {
            guard read() else {
                if link.hasEnded { close() }
                return false
            }
            if hasBegun {
                arrived = worker.loop.now
                setDeadline(arrived + limits.requestTimeout)
            }
        }
        let scan = input.withBytes { scanner.scan($0) }
        switch scan {
        case .needMore:
            if read() { return true }
            if link.hasEnded { close() }
            return false
        case .fault(let fault):
            malformed(fault)
            return false
        case .complete(let head):
            scanner.reset()
            begin(head)
            // A request that was refused has asked for another turn: those behind it wait for the other guests'.
            return phase == .collecting
        }
    }

    private func malformed(_ fault: WireFault) {
        sequence += 1
        hasBegun = true
        worker.observer.noted(.malformed(fault, client: peer))
        closesAfterAnswer = true
        refuse(Admit.verdict(for: fault))
    }

    private func begin(_ head: RequestHead) {
        sequence += 1
        hasBegun = true
        self.head = head
        headBytes.removeAll()
        headBytes.prepare(from: &worker.blocks)
        input.withBytes { headBytes.append($0.extracting(0..<head.byteCount)) }
        input.consume(head.byteCount)
        body =
            head.framing == .none || head.framing == .length(0)
            ? nil : BodyReader(head.framing, bytesMax: worker.settings.bodyBytesMax)
        sender = nil
        readAt = worker.loop.now
        forwardedAt = nil
        answer = CurrentAnswer()
        closesAfterAnswer = !head.keepsAlive || isLeaving
        hasUnreadRequest = false
        phase = .exchanging

        let identified = headBytes.withBytes { bytes in
            Identify.sender(of: head, in: bytes, door: identity, peer: peer, policy: worker.forwardedForPolicy)
        }
        if case .success(let sender) = identified {
            self.sender = sender
            if let refusal = rateRefusal(of: sender) { return refuse(refusal) }
        }
        if let refusal = Admit.refusal(of: head, bodyBytesMax: worker.settings.bodyBytesMax) {
            return refuse(refusal)
        }
        if case .failure(let verdict) = identified { return refuse(verdict) }
        if head.framing == .chunked {
            phase = .collecting
            inviteBody()
            setDeadline(worker.loop.now + limits.clientTimeout)
        } else {
            resolve()
        }
    }

    /// Counts the request; nil if the guest may ask this often.
    private func rateRefusal(of sender: Sender) -> Verdict? {
        let now = worker.loop.now
        if let refusal = limits.refusal(of: sender.address, now: now) { return refusal }
        return worker.guestLimits?.refusal(of: sender.address, of: sender.scope, now: now)
    }

    /// Answers `Expect: 100-continue` once the body is wanted.
    func inviteBody() {
        guard head?.expectsContinue == true, input.isEmpty else { return }
        output.prepare(from: &worker.blocks)
        output.append("HTTP/1.1 100 Continue\r\n\r\n")
        flush()
    }

    /// Collects a chunked body. False when there is nothing more to do now.
    func collect() -> Bool {
        let step = input.withBytes { body?.next($0) ?? .end(skip: 0) }
        switch step {
        case .payload(let skip, let count):
            input.consume(skip)
            guard worker.collectedBytes + count <= worker.settings.collectedBytesMax else {
                refuse(.overloaded)
                return false
            }
            worker.collectedBytes += count
            input.withBytes { collected.append($0.extracting(0..<count)) }
            input.consume(count)
            return true
        case .needMore(let skip):
            input.consume(skip)
            if read() {
                setDeadline(worker.loop.now + limits.clientTimeout)
                return true
            }
            if link.hasEnded { abort() }
            return false
        case .end(let skip):
            input.consume(skip)
            body = nil
            resolve()
            return false
        case .fault(let fault):
            closesAfterAnswer = true
            worker.observer.noted(.malformed(fault, client: sender?.address))
            refuse(Admit.verdict(for: fault))
            return false
        }
    }

    /// Passes body bytes on as they come, no faster than the next hop takes them.
    func streamBody() {
        guard isUpstreamReady, let upstream, head?.framing != .chunked else { return }
        var hasSent = false
        defer { if hasSent, self.upstream === upstream { upstream.flush() } }
        while body != nil {
            if upstream.queuedBytes >= worker.settings.queuedBytesMax {
                // Only what the socket does not take now is reported later: no report would follow a queue that is
                // emptied at once.
                upstream.flush()
                guard upstream.queuedBytes < worker.settings.queuedBytesMax else { return }
            }
            let step = input.withBytes { body?.next($0) ?? .end(skip: 0) }
            switch step {
            case .payload(let skip, let count):
                input.consume(skip)
                input.withBytes { upstream.send($0.extracting(0..<count)) }
                input.consume(count)
                hasSent = true
                progressed()
            case .needMore(let skip):
                input.consume(skip)
                if read() { continue }
                if link.hasEnded { abort() }
                return
            case .end(let skip):
                input.consume(skip)
                body = nil
                progressed()
            case .fault:
                abort()
                return
            }
        }
    }

    /// Bytes of the request went on their way: the side that is next has its full time again.
    func progressed() {
        guard phase == .exchanging, exchange.state == .connecting || exchange.state == .sent else { return }
        exchange.sent(now: worker.loop.now)
        setDeadline(body == nil ? exchange.deadline : worker.loop.now + limits.clientTimeout)
    }

    /// The next hop has taken all there is of the body, and the guest sends no more.
    var isGuestLate: Bool {
        guard isUpstreamReady, body != nil, let upstream else { return false }
        return upstream.queuedBytes == 0
    }

    var hasSentWholeRequest: Bool { body == nil }
}
