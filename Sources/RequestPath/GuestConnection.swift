import Glibc
import HTTPWire
import MetadataModel
import RelayLoop

/// One connection from a guest (or from a namespace proxy): reads requests, takes each through the six steps, and
/// writes the answers, in order. Decisions are `Exchange`'s; this carries them out.
final class GuestConnection: LoopHandler {
    enum Phase {
        case readingHead
        /// A chunked body is decoded and collected, so that the next hop gets a Content-Length.
        case collecting
        /// Between a complete request and the head of its answer.
        case exchanging
        case passingOn
        /// The last answer is out; what the guest still sends is thrown away for a moment, because closing at once
        /// would make the kernel discard the answer too.
        case lingering
        case closed
    }

    private static let readBytes = 16_384
    /// Bytes thrown away at most while lingering.
    private static let lingerBytesMax = 1_048_576
    /// How long a new connection may take for its first request once the loop is draining.
    private static let firstRequestWait = LoopSpan.seconds(1)
    /// How long an idle connection keeps its buffers.
    private static let buffersKept = LoopSpan.seconds(1)

    unowned let worker: RelayWorker
    let door: Door
    private let limits: DoorLimits
    let peer: IPAddress?
    let descriptor: CInt
    private var isWatched = false
    private var canRead = true
    /// The poller has reported the guest's end: it is to be read even if no further event comes.
    private var isPeerClosed = false
    private var hasEnded = false

    var phase = Phase.readingHead
    private var input = ByteQueue()
    var output = ByteQueue()

    // The current request.
    /// Counts the requests of this connection; part of the ticket by which the directory's answers come back.
    private(set) var sequence: UInt64 = 0
    private var scanner: RequestHeadScanner
    private(set) var head: RequestHead?
    private var headBytes = ByteQueue()
    private var body: BodyReader?
    private var collected = ByteQueue()
    private(set) var sender: Sender?
    var exchange: Exchange
    private(set) var upstream: UpstreamConnection?
    private var isUpstreamReady = false
    private var isAsleep = false
    private(set) var arrived: LoopInstant
    private(set) var forwardedAt: LoopInstant?

    // Its answer.
    var closesAfterAnswer = false
    /// Part of the request is still unread or on its way: closing at once would reset the connection and could
    /// destroy the answer.
    var hasUnreadRequest = false
    var answerFraming = Answer.Framing.none
    var answerStatus = 0
    var bytesSent: UInt64 = 0
    /// Some of the bytes queued since the answer began have left; until then it can still become another answer.
    var isAnswerOnItsWay = false
    private var lingered = 0

    init(worker: RelayWorker, door: Door, peer: IPAddress?, descriptor: CInt) {
        self.worker = worker
        self.door = door
        limits = door.limits ?? worker.limits
        self.peer = peer
        self.descriptor = descriptor
        scanner = RequestHeadScanner(limits: worker.settings.headLimits)
        exchange = Exchange(settings: worker.settings)
        arrived = worker.loop.now
    }

    /// The connection's place in the loop, from `start` to `close`.
    private var place: RelayLoop.Token?

    func start() {
        limits.opened()
        place = worker.loop.add(self)
        setDeadline(arrived + limits.requestTimeout)
        // The request usually is here already: read before asking epoll.
        advance()
    }

    // MARK: Events

    func ready(_ readiness: Readiness) {
        if readiness.contains(.hangUp), phase != .readingHead {
            // Both directions are closed: nobody waits for an answer.
            abort()
            return
        }
        if readiness.contains(.readable) { canRead = true }
        if readiness.contains(.peerClosed) { isPeerClosed = true }
        if readiness.contains(.writable), !output.isEmpty {
            flush()
            if phase == .passingOn { upstream?.pump() }
        }
        advance()
    }

    func deadlinePassed() {
        switch phase {
        case .readingHead:
            headTimedOut()
        case .collecting:
            refuse(.requestTimeout)
        case .exchanging where isGuestLate:
            refuse(.requestTimeout)
        case .exchanging:
            perform(exchange.deadlinePassed(now: worker.loop.now))
        case .lingering:
            close()
        case .passingOn:
            // The guest takes nothing, or the next hop sends nothing: either way the answer cannot be completed.
            abort()
        case .closed:
            break
        }
    }

    private func headTimedOut() {
        // Given its moment by `drain` and silent all the same: there is nothing to answer.
        if worker.isDraining, input.isEmpty { return close() }
        // A connection that never sent anything gets its 408 too, as from haproxy.
        guard input.isEmpty, sequence > 0 else { return refuse(.requestTimeout) }
        // Idle between two requests: first the buffers go, then the connection.
        let idleSince = arrived
        input.releaseIfEmpty()
        output.releaseIfEmpty()
        headBytes.removeAll()
        headBytes.releaseIfEmpty()
        let ends = idleSince + limits.keepAliveTimeout
        if worker.loop.now < ends { setDeadline(ends) } else { close() }
    }

    /// Does what can be done with the bytes that are here.
    private func advance() {
        while true {
            switch phase {
            case .readingHead:
                guard scanHead() else { return }
            case .collecting:
                guard collect() else { return }
            case .exchanging:
                streamBody()
                return
            case .lingering:
                linger()
                return
            case .passingOn:
                streamBody()
                return
            case .closed:
                return
            }
        }
    }

    // MARK: Reading the request

    /// False when there is nothing more to do now.
    private func scanHead() -> Bool {
        if input.isEmpty {
            guard read() else {
                if hasEnded { close() }
                return false
            }
            if sequence > 0 {
                arrived = worker.loop.now
                setDeadline(arrived + limits.requestTimeout)
            }
        }
        let scan = input.withBytes { scanner.scan($0) }
        switch scan {
        case .needMore:
            if read() { return true }
            if hasEnded { close() }
            return false
        case .fault(let fault):
            malformed(fault)
            return false
        case .complete(let head):
            scanner.reset()
            begin(head)
            return phase == .collecting || phase == .readingHead
        }
    }

    private func malformed(_ fault: WireFault) {
        sequence += 1
        worker.observer.noted(.malformed(fault, client: peer))
        closesAfterAnswer = true
        refuse(Admit.verdict(for: fault))
    }

    private func begin(_ head: RequestHead) {
        sequence += 1
        self.head = head
        headBytes.removeAll()
        input.withBytes { headBytes.append($0.extracting(0..<head.byteCount)) }
        input.consume(head.byteCount)
        body =
            head.framing == .none || head.framing == .length(0)
            ? nil : BodyReader(head.framing, bytesMax: worker.settings.bodyBytesMax)
        sender = nil
        forwardedAt = nil
        bytesSent = 0
        answerStatus = 0
        closesAfterAnswer = !head.keepsAlive || worker.isDraining
        hasUnreadRequest = false
        phase = .exchanging

        let identified = headBytes.withBytes { bytes in
            Identify.sender(of: head, in: bytes, door: door.identity, peer: peer, policy: worker.forwardedForPolicy)
        }
        if case .success(let sender) = identified {
            self.sender = sender
            if let refusal = limits.refusal(of: sender.address, now: worker.loop.now) { return refuse(refusal) }
            if let guestLimits = worker.guestLimits,
                let refusal = guestLimits.refusal(of: sender.address, of: sender.scope, now: worker.loop.now)
            {
                return refuse(refusal)
            }
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

    /// Answers `Expect: 100-continue` once the body is wanted.
    private func inviteBody() {
        guard head?.expectsContinue == true, input.isEmpty else { return }
        output.append("HTTP/1.1 100 Continue\r\n\r\n")
        flush()
    }

    private func collect() -> Bool {
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
            if hasEnded { abort() }
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

    // MARK: The exchange

    private func resolve() {
        guard let sender, let head else { return }
        phase = .exchanging
        var claim: Claim?
        var cached: InstanceCache.Entry?
        if worker.resolver != nil {
            guard let made = Claim(scope: sender.scope, address: sender.address) else {
                return refuse(.instanceNotFound(.addressNamesNoPort))
            }
            claim = made
            cached = worker.cache.entry(for: made, now: worker.loop.now)
        }
        perform(
            exchange.begin(
                claim: claim,
                cached: cached,
                arrived: arrived,
                heldBefore: sender.heldBefore,
                isRepeatable: body == nil && collected.isEmpty && (head.method == .get || head.method == .head),
                answerTimeout: answerTimeout,
                now: worker.loop.now
            )
        )
    }

    func resolved(_ resolution: Resolution, sequence: UInt64) {
        guard sequence == self.sequence, phase == .exchanging else { return }
        let before = exchange.instance?.instance
        if case .instance(let signed, let lifetime) = resolution, let sender,
            let claim = Claim(scope: sender.scope, address: sender.address)
        {
            worker.cache.store(signed, for: claim, now: worker.loop.now, lifetime: lifetime)
            if let before, before != signed.instance {
                worker.observer.noted(.instanceChanged(from: before, to: signed.instance))
            }
        } else if before != nil, let sender, let claim = Claim(scope: sender.scope, address: sender.address) {
            // What was stored has just been contradicted, or can no longer be relied on after a 404.
            worker.cache.remove(claim)
        }
        perform(exchange.resolved(resolution, heldNow: worker.heldRequests, now: worker.loop.now))
    }

    func perform(_ action: Exchange.Action) {
        wakeUp()
        switch action {
        case .wait:
            break
        case .resolve(let claim, let isFresh):
            watch()
            worker.resolve(claim, isFresh: isFresh, for: self)
        case .forward:
            connect()
        case .forwardAgain:
            dropUpstream()
            connect()
        case .sleep:
            isAsleep = true
            worker.heldRequests += 1
            watch()
        case .passOn:
            phase = .passingOn
            setDeadline(worker.loop.now + patience)
            upstream?.passOn()
            return
        case .refuse(let verdict):
            refuse(verdict)
            return
        }
        if phase == .exchanging { setDeadline(exchange.deadline) }
    }

    /// The ticket by which the directory's answer finds its way back.
    var ticket: ExchangeTicket? {
        place.map { ExchangeTicket(connection: $0, sequence: sequence) }
    }

    private func wakeUp() {
        guard isAsleep else { return }
        isAsleep = false
        worker.heldRequests -= 1
    }

    // MARK: Towards the next hop

    private func connect() {
        let isFresh = head.map { $0.method != .get && $0.method != .head } ?? false
        worker.pool.connect(self, isFresh: isFresh)
    }

    /// Whether this request stands in the line for a connection.
    var isAwaitingUpstream: Bool {
        phase == .exchanging && upstream == nil && exchange.state == .connecting
    }

    func upstreamStarted(_ connection: UpstreamConnection) {
        upstream = connection
        isUpstreamReady = false
    }

    func upstreamReady(_ connection: UpstreamConnection) {
        guard let head, let sender else { return }
        isUpstreamReady = true
        let framing: Forward.Body =
            switch head.framing {
            case .none, .untilClose: .none
            case .length(let count): .length(count)
            case .chunked: .length(UInt64(collected.count))
            }
        let credentials: Forward.Credentials =
            if let instance = exchange.instance {
                .instance(instance)
            } else {
                .scope(sender.scope, worker.settings.scopeHeaders, held: exchange.wasHeld ? heldSoFar : .zero)
            }
        headBytes.withBytes { bytes in
            connection.send(method: head.method) { output in
                Forward.writeHead(
                    of: head,
                    in: bytes,
                    to: &output,
                    host: worker.pool.settings.host,
                    address: sender.address,
                    credentials: credentials,
                    body: framing
                )
            }
        }
        if forwardedAt == nil { forwardedAt = worker.loop.now }
        if !collected.isEmpty { collected.withBytes { connection.send($0) } }
        progressed()
        if body != nil {
            inviteBody()
            streamBody()
        }
        connection.flush()
    }

    private var heldSoFar: LoopSpan {
        let held = worker.loop.now.since(arrived)
        return LoopSpan(nanoseconds: held.nanoseconds + (sender?.heldBefore.nanoseconds ?? 0))
    }

    func upstreamFailed(_ failure: Exchange.Failure) {
        upstream = nil
        isUpstreamReady = false
        perform(exchange.failed(failure, heldNow: worker.heldRequests, now: worker.loop.now))
    }

    /// The next hop has taken what was queued.
    func upstreamDrained() {
        streamBody()
    }

    /// Passes body bytes on as they come, no faster than the next hop takes them.
    private func streamBody() {
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
                if hasEnded { abort() }
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
    private var isGuestLate: Bool {
        guard isUpstreamReady, body != nil, let upstream else { return false }
        return upstream.queuedBytes == 0
    }

    var hasSentWholeRequest: Bool { body == nil }

    func dropUpstream() {
        let connection = upstream
        upstream = nil
        isUpstreamReady = false
        connection?.close()
    }

    func upstreamLeft() {
        upstream = nil
        isUpstreamReady = false
    }

    // MARK: Ending

    /// How long one side may do nothing while an answer is passed on.
    var patience: LoopSpan {
        max(limits.clientTimeout, answerTimeout)
    }

    private var answerTimeout: LoopSpan { limits.answerTimeout ?? worker.pool.settings.answerTimeout }

    func setDeadline(_ deadline: LoopInstant?) {
        if let place { worker.loop.setDeadline(place, deadline) }
    }

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
        let before = output.count
        Answer.writeRefusal(
            verdict,
            to: &output,
            isHead: head?.method == .head,
            persistence: persistence,
            date: worker.currentDate()
        )
        bytesSent += UInt64(output.count - before)
        answerStatus = verdict.status
        ended(verdict)
    }

    /// The answer is complete in `output`: log it, send it, and be ready for the next request.
    func ended(_ verdict: Verdict?) {
        record(verdict)
        releaseCollected()
        exchange.end()
        bytesSent = 0
        answerStatus = 0
        head = nil
        body = nil
        sender = nil
        if closesAfterAnswer {
            beginLingering()
            return
        }
        phase = .readingHead
        flush()
        guard phase == .readingHead else { return }
        arrived = worker.loop.now
        if worker.isDraining {
            beginLingering()
            return
        }
        setDeadline(arrived + (input.isEmpty ? Self.buffersKept : limits.requestTimeout))
        watch()
        // A pipelined request gets its turn after the others'.
        if !input.isEmpty || canRead, let place { worker.loop.again(place) }
    }

    private func record(_ verdict: Verdict?) {
        let now = worker.loop.now
        let record = ExchangeRecord(
            client: sender?.address ?? peer,
            isForwarded: peer == nil,
            scope: sender?.scope,
            instance: exchange.instance?.instance,
            status: answerStatus,
            bytesSent: bytesSent,
            duration: now.since(arrived),
            held: exchange.wasHeld ? (forwardedAt ?? now).since(arrived) : .zero,
            verdict: verdict
        )
        let observer = worker.observer
        headBytes.withBytes { bytes in
            if let line = head?.line {
                observer.finished(record, line: bytes.extracting(line.start..<line.end))
            } else {
                observer.finished(record, line: bytes.extracting(0..<0))
            }
        }
    }

    private func releaseCollected() {
        worker.collectedBytes -= collected.count
        collected.removeAll()
        collected.releaseIfEmpty()
    }

    /// Sends what is left, then closes: at once if the guest has said all it had to say.
    private func beginLingering() {
        phase = .lingering
        setDeadline(worker.loop.now + limits.clientTimeout)
        flush()
    }

    /// Called while lingering with everything sent.
    private func linger() {
        guard output.isEmpty else { return }
        guard hasUnreadRequest || !input.isEmpty, !hasEnded else { return close() }
        if lingered == 0 {
            Descriptor.shutDownSending(descriptor)
            setDeadline(worker.loop.now + worker.settings.lingerTimeout)
        }
        repeat {
            lingered += max(input.count, 1)
            input.removeAll()
        } while lingered <= Self.lingerBytesMax && read()
        if hasEnded || lingered > Self.lingerBytesMax { close() }
    }

    /// No new requests: an idle connection ends now, a busy one after its answer.
    func drain() {
        closesAfterAnswer = true
        guard phase == .readingHead, input.isEmpty else { return }
        // What has arrived unseen is still served.
        if canRead, read() { return advance() }
        // So is the first request of a connection that was taken a moment ago: nobody else will.
        guard sequence == 0, !hasEnded else { return close() }
        setDeadline(min(worker.loop.now + Self.firstRequestWait, arrived + limits.requestTimeout))
    }

    /// Ends the connection because one side is gone; the answer, if any was begun, stays incomplete and visibly so.
    func abort() {
        guard phase != .closed else { return }
        if head != nil {
            if answerStatus == 0 { answerStatus = 499 }
            record(nil)
            head = nil
        }
        // An answer that lacks its end must not look complete to a guest that reads to the end of the connection.
        if phase == .passingOn { Descriptor.resetOnClose(descriptor) }
        close()
    }

    func close() {
        guard phase != .closed else { return }
        wakeUp()
        releaseCollected()
        dropUpstream()
        phase = .closed
        sequence += 1
        if let place { worker.loop.remove(place) }
        place = nil
        Descriptor.close(descriptor)
        limits.closed()
        worker.guestClosed(self)
    }

    // MARK: Bytes

    /// Reads once. False if nothing came; `hasEnded` then says whether anything ever will.
    private func read() -> Bool {
        guard canRead, !hasEnded else {
            watch()
            return false
        }
        let descriptor = descriptor
        var offered = 0
        var transfer = Transfer.wouldBlock
        input.fill(room: phase == .readingHead ? ByteQueue.firstCapacity : Self.readBytes) { buffer in
            offered = buffer.count
            transfer = Descriptor.read(descriptor, into: buffer)
            if case .bytes(let count) = transfer { return count }
            return 0
        }
        switch transfer {
        case .bytes(let count):
            // Less than offered: the socket is empty, and the poller reports what comes next, unless it has done so.
            if count < offered, !isPeerClosed { canRead = false }
            return true
        case .wouldBlock:
            canRead = false
            watch()
            return false
        case .endOfStream, .failed:
            hasEnded = true
            return false
        }
    }

    /// Sends what is queued, as far as the guest takes it.
    func flush() {
        while !output.isEmpty {
            let descriptor = descriptor
            switch output.withUnsafeBytes({ Descriptor.write(descriptor, $0) }) {
            case .bytes(let count):
                output.consume(count)
                if phase == .passingOn {
                    isAnswerOnItsWay = true
                    setDeadline(worker.loop.now + patience)
                }
            case .wouldBlock:
                watch()
                return
            case .endOfStream, .failed:
                output.removeAll()
                abort()
                return
            }
        }
        if phase == .lingering { linger() }
    }

    /// Registers with epoll, when it is first needed: a request that is read, answered and closed in one go never is.
    private func watch() {
        guard !isWatched, let place else { return }
        isWatched = true
        if !worker.loop.watch(place, descriptor, as: .connection) { abort() }
    }

    var persistence: Answer.Persistence {
        if closesAfterAnswer { return .close }
        return head?.minorVersion == 0 ? .keepAliveForHTTP10 : .asUsual
    }
}
