import Glibc
import HTTPWire
import LinuxHost
import MetadataModel
import RelayLoop

/// One connection to the next hop. Sends a request, reads its answer and hands it to the guest's connection piece
/// by piece; it decides nothing about the request.
final class UpstreamConnection: LoopHandler {
    private enum Phase {
        case connecting
        case securing
        case idle
        /// Reading the answer's head.
        case head
        /// The head is complete and the guest's side has not said yet what to do with the answer.
        case pending
        /// A body that ends with the connection: wait for a moment whether it is short, to give it a length.
        case gathering
        case body
        case closed
    }

    /// A body that ends with the connection and is no longer than this gets a Content-Length.
    static let gatheredBytesMax = 16_384
    private static let readBytes = 16_384
    /// Reads in one turn, so that one large answer does not keep the loop from the others.
    private static let readsPerTurn = 16

    let generation: Int
    private let pool: UpstreamPool
    private let descriptor: CInt
    private let address: SocketAddress
    private var channel: (any SecureChannel)?
    private var token: RelayLoop.Token?
    private var phase = Phase.connecting
    /// Strong both ways; each side lets go when the exchange ends.
    private var guest: GuestConnection?

    private var output = ByteQueue()
    private var input = ByteQueue()
    private var scanner = ResponseHeadScanner()
    private var head: ResponseHead?
    private var body: BodyReader?
    private var method = RequestHead.Method.get
    private var canRead = false
    /// The poller has reported the other side's end: it is to be read even if no further event comes.
    private var isPeerClosed = false
    private var hasEnded = false
    private var answersServed = 0

    init(
        pool: UpstreamPool,
        descriptor: CInt,
        address: SocketAddress,
        channel: (any SecureChannel)?,
        generation: Int
    ) {
        self.pool = pool
        self.descriptor = descriptor
        self.address = address
        self.channel = channel
        self.generation = generation
    }

    /// Whether an earlier request was answered on this connection: the next hop may then have closed it meanwhile.
    var isReused: Bool { answersServed > 0 }
    /// Bytes that the next hop has not taken yet.
    var queuedBytes: Int { output.count }

    // MARK: Life

    func start(isConnected: Bool, for guest: GuestConnection) {
        self.guest = guest
        guest.upstreamStarted(self)
        let token = pool.loop.add(self)
        self.token = token
        guard pool.loop.watch(token, descriptor, as: .connection) else {
            connectFailed(systemReason(errno))
            return
        }
        pool.loop.setDeadline(token, pool.loop.now + pool.settings.connectTimeout)
        if isConnected { established() }
    }

    func serve(_ guest: GuestConnection) {
        self.guest = guest
        if let token { pool.loop.setDeadline(token, nil) }
        phase = .head
        guest.upstreamStarted(self)
        guest.upstreamReady(self)
    }

    func becomeIdle(until deadline: LoopInstant) {
        phase = .idle
        guest = nil
        parkBuffers()
        if let token { pool.loop.setDeadline(token, deadline) }
    }

    private func parkBuffers() {
        input.park(in: &pool.blocks)
        output.park(in: &pool.blocks)
    }

    func close() {
        guard phase != .closed else { return }
        phase = .closed
        input.removeAll()
        output.removeAll()
        parkBuffers()
        guest = nil
        channel?.shutDown()
        channel = nil
        if let token { pool.loop.remove(token) }
        Descriptor.close(descriptor)
        pool.closed()
    }

    private func established() {
        if channel != nil {
            phase = .securing
            goOnSecuring()
        } else {
            becomeReady()
        }
    }

    private func goOnSecuring() {
        guard let channel else { return }
        switch channel.handshake() {
        case .pending: break
        case .done: becomeReady()
        case .failed(let reason): connectFailed(reason)
        }
    }

    private func becomeReady() {
        phase = .head
        if let token { pool.loop.setDeadline(token, nil) }
        guest?.upstreamReady(self)
    }

    private func connectFailed(_ reason: String) {
        let guest = guest
        pool.attemptFailed(address, reason: reason)
        close()
        guest?.upstreamFailed(.noConnection)
    }

    // MARK: Events

    func ready(_ readiness: Readiness) {
        // TLS may need to write in order to read and the other way round: try both.
        let isSecure = channel != nil
        if readiness.contains(.readable) || isSecure { canRead = true }
        if readiness.contains(.peerClosed) { isPeerClosed = true }
        switch phase {
        case .closed:
            return
        case .connecting:
            guard readiness.contains(.writable) else { return }
            let outcome = Descriptor.connectOutcome(descriptor)
            guard outcome == 0 else { return connectFailed(systemReason(outcome)) }
            established()
            pump()
        case .securing:
            goOnSecuring()
            pump()
        case .idle:
            // The first report after registering says "writable"; anything to read is the other side's goodbye.
            // An old report may still be on its way, so the socket itself is asked.
            guard readiness.contains(.readable), Descriptor.hasNews(descriptor) else { return }
            pool.removeIdle(self)
            close()
        case .head, .pending, .gathering, .body:
            if readiness.contains(.writable) || isSecure, !output.isEmpty {
                flush()
                if output.isEmpty { guest?.upstreamDrained() }
            }
            pump()
        }
    }

    func deadlinePassed() {
        switch phase {
        case .connecting, .securing:
            connectFailed("no connection within \(pool.settings.connectTimeout.milliseconds) ms")
        case .idle:
            pool.removeIdle(self)
            close()
        case .head, .pending, .gathering, .body, .closed:
            // The request's own deadline counts.
            break
        }
    }

    // MARK: Request

    /// Queues bytes of the request; `flush` sends them.
    func send(method: RequestHead.Method, _ write: (inout ByteQueue) -> Void) {
        self.method = method
        output.prepare(from: &pool.blocks)
        write(&output)
    }

    func send(_ bytes: Span<UInt8>) {
        output.append(bytes)
    }

    /// Sends what is queued, as far as the connection takes it. A failure shows up as the end of the answer.
    func flush() {
        while !output.isEmpty {
            let transfer = output.withUnsafeBytes { bytes in
                channel?.write(bytes) ?? Descriptor.write(descriptor, bytes)
            }
            switch transfer {
            case .bytes(let count): output.consume(count)
            case .wouldBlock: return
            case .endOfStream, .failed:
                // Do not give up yet: an answer that was sent before the connection broke (413, say) may wait.
                output.removeAll()
                canRead = true
                return
            }
        }
    }

    // MARK: Answer

    /// What the guest's side wants done with an answer whose head it was given.
    func passOn() {
        guard phase == .pending, let head else { return }
        switch head.framing {
        case .untilClose:
            phase = .gathering
        case .none, .length, .chunked:
            beginBody(head, gathered: nil)
        }
        pump()
    }

    /// Goes on after the guest has taken what was queued for it.
    func pump() {
        var reads = 0
        while phase != .closed, let guest {
            switch phase {
            case .head:
                guard scanHead(for: guest, reads: &reads) else { return }
            case .gathering:
                guard gather(reads: &reads) else { return }
            case .body:
                guard passBody(to: guest, reads: &reads) else { return }
            case .connecting, .securing, .idle, .pending, .closed:
                return
            }
        }
    }

    /// False when there is nothing more to do now.
    private func scanHead(for guest: GuestConnection, reads: inout Int) -> Bool {
        if input.isEmpty, !read(&reads) { return endedEarly(guest) }
        let scan = input.withBytes { scanner.scan($0, answering: method) }
        switch scan {
        case .needMore:
            guard read(&reads) else { return endedEarly(guest) }
            // It is slow, but it is not silent.
            guest.progressed()
            return true
        case .fault:
            abandon { $0.upstreamFailed(.malformedAnswer) }
            return false
        case .complete(let head):
            scanner.reset()
            if (100..<200).contains(head.status) {
                // 101 would leave HTTP; nothing we send asks for it.
                guard head.status != 101 else {
                    abandon { $0.upstreamFailed(.malformedAnswer) }
                    return false
                }
                input.consume(head.byteCount)
                return true
            }
            self.head = head
            phase = .pending
            guest.answerArrived(head)
            return phase != .pending
        }
    }

    private func endedEarly(_ guest: GuestConnection) -> Bool {
        guard hasEnded else { return false }
        let failure: Exchange.Failure = input.isEmpty ? .closedEarly(wasReused: isReused) : .cutAnswer
        abandon { $0.upstreamFailed(failure) }
        return false
    }

    private func gather(reads: inout Int) -> Bool {
        guard let head else { return false }
        let gathered = input.count - head.byteCount
        if hasEnded {
            beginBody(head, gathered: UInt64(gathered))
            return true
        }
        if gathered >= Self.gatheredBytesMax {
            beginBody(head, gathered: nil)
            return true
        }
        return read(&reads) || hasEnded
    }

    private func beginBody(_ head: ResponseHead, gathered: UInt64?) {
        phase = .body
        body = BodyReader(gathered.map { .length($0) } ?? head.framing)
        input.withBytes { bytes in guest?.passHead(head, in: bytes, gathered: gathered) }
        input.consume(head.byteCount)
    }

    private func passBody(to guest: GuestConnection, reads: inout Int) -> Bool {
        guard guest.hasRoom else { return false }
        let step = input.withBytes { body?.next($0) ?? .end(skip: 0) }
        switch step {
        case .payload(let skip, let count):
            input.consume(skip)
            input.withBytes { guest.passBody($0.extracting(0..<count)) }
            input.consume(count)
            return true
        case .needMore(let skip):
            input.consume(skip)
            if read(&reads) { return true }
            guard phase == .body else { return false }
            guard hasEnded else {
                guest.flush()
                return false
            }
            guard case .end = body?.endOfStream() else {
                abandon { $0.answerCut() }
                return false
            }
            finish(guest)
            return false
        case .end(let skip):
            input.consume(skip)
            finish(guest)
            return false
        case .fault:
            abandon { $0.answerCut() }
            return false
        }
    }

    private func finish(_ guest: GuestConnection) {
        let canServeMore =
            head?.keepsAlive == true && head?.framing != .untilClose && output.isEmpty && input.isEmpty && !hasEnded
            && !isPeerClosed && guest.hasSentWholeRequest
        answersServed += 1
        head = nil
        body = nil
        self.guest = nil
        guest.upstreamLeft()
        // First the connection, then the guest: its next request can then take this very connection.
        if canServeMore { pool.giveBack(self) } else { close() }
        guest.answerComplete()
    }

    /// Closes the connection and tells the guest's side why.
    private func abandon(_ tell: (GuestConnection) -> Void) {
        guard let guest else { return close() }
        guest.upstreamLeft()
        close()
        tell(guest)
    }

    // MARK: Reading

    /// Reads once. False if nothing came; `hasEnded` then says whether anything ever will.
    private func read(_ reads: inout Int) -> Bool {
        guard canRead, !hasEnded else { return false }
        if reads >= Self.readsPerTurn, let token {
            pool.loop.again(token)
            return false
        }
        reads += 1
        var offered = 0
        var transfer = Transfer.wouldBlock
        let channel = channel
        let descriptor = descriptor
        input.prepare(from: &pool.blocks)
        input.fill(room: phase == .body ? Self.readBytes : ByteQueue.firstCapacity) { buffer in
            offered = buffer.count
            transfer = channel?.read(into: buffer) ?? Descriptor.read(descriptor, into: buffer)
            if case .bytes(let count) = transfer { return count }
            return 0
        }
        switch transfer {
        case .bytes(let count):
            // A short read has emptied the socket, but for an end that was reported together with the bytes; TLS may
            // hold more in its own buffer.
            if count < offered, channel == nil, !isPeerClosed { canRead = false }
            return true
        case .wouldBlock:
            canRead = false
            return false
        case .endOfStream:
            hasEnded = true
            return false
        case .failed:
            hasEnded = true
            if let sentence = channel?.failureSentence { pool.noteConnectFailure?(address, sentence) }
            // A reset in the middle of a document must not pass for its end. What explains an error may end so: Nova under
            // uWSGI answers before it has read a request's body, and then resets the connection.
            if let head, head.framing == .untilClose, head.status < 400 { abandon { $0.answerCut() } }
            return false
        }
    }
}
