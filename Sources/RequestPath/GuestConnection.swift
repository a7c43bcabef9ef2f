import Glibc
import HTTPWire
import MetadataModel
import RelayLoop

/// One connection from a guest (or from a namespace proxy): reads requests, takes each through the six steps, and
/// writes the answers, in order. Decisions are `Exchange`'s; this carries them out.
///
/// An object serves one connection after another (`RelayWorker.spares`), and its buffers come from a pool of the loop's
/// (`RelayWorker.blocks`): a guest opens a new connection for every request.
///
/// Here are the connection's life, its events and its bytes. The request is read in `+Request`, taken through its
/// exchange in `+Exchange`, answered in `+Answer` (or from the cache, `+Cache`), and ended in `+End`.
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

    /// What is known of the socket.
    struct Link {
        var isWatched = false
        var canRead = true
        /// The poller has reported the guest's end: it is to be read even if no further event comes.
        var isPeerClosed = false
        var hasEnded = false
        /// Reads since the last event.
        var reads = 0
    }

    /// The answer that is being written.
    struct CurrentAnswer {
        var status = 0
        var framing = Answer.Framing.none
        var bytesSent: UInt64 = 0
        /// Some of the bytes queued since the answer began have left; until then it can still become another answer.
        var isOnItsWay = false
    }

    private static let readBytes = 16_384
    /// Reads in one turn, so that a guest that sends without end does not keep the loop from the others.
    private static let readsPerTurn = 16

    /// Lets go of its guests, spare ones too, when its loop ends.
    let worker: RelayWorker
    /// The door that the connection came through, by name only: its socket must be closed with it, not with the last
    /// of its guests.
    private(set) var door: Door.Key
    private(set) var identity: Door.Identity
    private(set) var limits: DoorLimits
    private(set) var peer: IPAddress?
    /// The peer's; 0 for a UNIX socket.
    private(set) var port: UInt16
    private(set) var descriptor: CInt
    /// The place among the worker's guests.
    var index = 0
    /// The connection's place in the loop, from `start` to `close`.
    private(set) var place: RelayLoop.Token?

    var phase = Phase.closed
    var link = Link()
    var input = ByteQueue()
    var output = ByteQueue()

    // The current request.
    /// Counts the requests of this object, over all its connections; part of the ticket by which the directory's
    /// answers come back, and of a place in the line for an upstream connection.
    var sequence: UInt64 = 0
    /// Whether a request has begun on this connection.
    var hasBegun = false
    var scanner: RequestHeadScanner
    var head: RequestHead?
    var headBytes = ByteQueue()
    var body: BodyReader?
    var collected = ByteQueue()
    var sender: Sender?
    var exchange: Exchange
    var upstream: UpstreamConnection?
    var isUpstreamReady = false
    var isAsleep = false
    var arrived: LoopInstant
    /// When the head was complete.
    var readAt: LoopInstant?
    var forwardedAt: LoopInstant?
    var cacheRole = CacheRole.none

    // Its answer.
    var answer = CurrentAnswer()
    var closesAfterAnswer = false
    /// No request after the present one, or the first, is taken.
    var isLeaving = false
    /// Part of the request is still unread or on its way: closing at once would reset the connection and could
    /// destroy the answer.
    var hasUnreadRequest = false
    var lingered = 0

    init(worker: RelayWorker, door: Door, peer: IPAddress?, port: UInt16, descriptor: CInt) {
        self.worker = worker
        self.door = door.key
        identity = door.identity
        limits = door.limits ?? worker.limits
        self.peer = peer
        self.port = port
        self.descriptor = descriptor
        scanner = RequestHeadScanner(limits: worker.settings.headLimits)
        exchange = Exchange(settings: worker.settings)
        arrived = worker.loop.now
    }

    // MARK: Life

    /// Makes a closed connection's object serve another one.
    func reuse(door: Door, peer: IPAddress?, port: UInt16, descriptor: CInt) {
        self.door = door.key
        identity = door.identity
        isLeaving = false
        limits = door.limits ?? worker.limits
        self.peer = peer
        self.port = port
        self.descriptor = descriptor
        link = Link()
        scanner.reset()
        hasBegun = false
        closesAfterAnswer = false
        hasUnreadRequest = false
        lingered = 0
    }

    func start() {
        phase = .readingHead
        arrived = worker.loop.now
        limits.opened()
        place = worker.loop.add(self)
        setDeadline(arrived + limits.requestTimeout)
        // The request usually is here already: read before asking epoll.
        advance()
    }

    func close() {
        guard phase != .closed else { return }
        wakeUp()
        dropUpstream()
        forgetRequest()
        // Answers of the directory that are still on their way find another number.
        sequence += 1
        phase = .closed
        if let place { worker.loop.remove(place) }
        place = nil
        Descriptor.close(descriptor)
        limits.closed()
        // A spare one keeps nothing of a door's.
        limits = worker.limits
        input.removeAll()
        output.removeAll()
        parkBuffers()
        worker.guestClosed(self)
    }

    // MARK: Events

    func ready(_ readiness: Readiness) {
        if readiness.contains(.hangUp), phase != .readingHead {
            // Both directions are closed: nobody waits for an answer.
            abort()
            return
        }
        link.reads = 0
        if readiness.contains(.readable) { link.canRead = true }
        if readiness.contains(.peerClosed) { link.isPeerClosed = true }
        if readiness.contains(.writable), !output.isEmpty {
            flush()
            switch phase {
            case .passingOn: upstream?.pump()
            // The last answer has left at last: the time for the next request begins.
            case .readingHead where output.isEmpty: awaitRequest()
            default: break
            }
        }
        advance()
    }

    func deadlinePassed() {
        link.reads = 0
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
            // The rest of the answer cannot be delivered, and its end must not look like the whole.
            if !output.isEmpty { Descriptor.resetOnClose(descriptor) }
            close()
        case .passingOn:
            // The guest takes nothing, or the next hop sends nothing: either way the answer cannot be completed.
            abort()
        case .closed:
            break
        }
    }

    private func headTimedOut() {
        guard output.isEmpty else {
            // The guest has stopped taking its last answer.
            Descriptor.resetOnClose(descriptor)
            return close()
        }
        // Given its moment by `drain` and silent all the same: there is nothing to answer.
        if isLeaving, input.isEmpty { return close() }
        // A connection that never sent anything gets its 408 too, as from haproxy.
        guard input.isEmpty, hasBegun else { return refuse(.requestTimeout) }
        close()
    }

    /// Does what can be done with the bytes that are here.
    func advance() {
        while true {
            switch phase {
            case .readingHead:
                guard scanHead() else { return }
            case .collecting:
                guard collect() else { return }
            case .exchanging, .passingOn:
                streamBody()
                return
            case .lingering:
                linger()
                return
            case .closed:
                return
            }
        }
    }

    /// Begins to wait for the next request.
    func awaitRequest() {
        arrived = worker.loop.now
        setDeadline(arrived + (input.isEmpty ? limits.keepAliveTimeout : limits.requestTimeout))
        parkBuffers()
    }

    /// Gives back the memory of what is empty.
    private func parkBuffers() {
        headBytes.removeAll()
        headBytes.park(in: &worker.blocks)
        input.park(in: &worker.blocks)
        output.park(in: &worker.blocks)
    }

    func setDeadline(_ deadline: LoopInstant?) {
        if let place { worker.loop.setDeadline(place, deadline) }
    }

    // MARK: Bytes

    /// Reads once. False if nothing came; `link.hasEnded` then says whether anything ever will.
    func read() -> Bool {
        guard link.canRead, !link.hasEnded else {
            watch()
            return false
        }
        if link.reads >= Self.readsPerTurn, let place {
            worker.loop.again(place)
            return false
        }
        link.reads += 1
        let descriptor = descriptor
        var offered = 0
        var transfer = Transfer.wouldBlock
        input.prepare(from: &worker.blocks)
        input.fill(room: phase == .readingHead ? ByteQueue.firstCapacity : Self.readBytes) { buffer in
            offered = buffer.count
            transfer = Descriptor.read(descriptor, into: buffer)
            if case .bytes(let count) = transfer { return count }
            return 0
        }
        switch transfer {
        case .bytes(let count):
            // Less than offered: the socket is empty, and the poller reports what comes next, unless it has done so.
            if count < offered, !link.isPeerClosed { link.canRead = false }
            return true
        case .wouldBlock:
            link.canRead = false
            watch()
            return false
        case .endOfStream, .failed:
            link.hasEnded = true
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
                progressedSending()
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

    /// The guest has taken some of what waited for it: it has its full time for the rest.
    private func progressedSending() {
        switch phase {
        case .passingOn:
            answer.isOnItsWay = true
            setDeadline(worker.loop.now + patience)
        case .readingHead, .lingering:
            if !output.isEmpty { setDeadline(worker.loop.now + limits.clientTimeout) }
        case .collecting, .exchanging, .closed:
            break
        }
    }

    /// Registers with epoll, when it is first needed: a request that is read, answered and closed in one go never is.
    func watch() {
        guard !link.isWatched, let place else { return }
        link.isWatched = true
        if !worker.loop.watch(place, descriptor, as: .connection) { abort() }
    }
}
