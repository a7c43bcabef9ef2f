import Glibc
import HTTPWire
import MetadataModel
import RelayLoop

/// What a worker can be told from other threads.
enum WorkerMessage: Sendable {
    case resolution(Resolution, ExchangeTicket)
    case sharedAnswer(AnswerCache.Book.Answer?, ExchangeTicket)
    case open(Door)
    case close(ObjectIdentifier)
    case replaceUpstream(UpstreamSettings)
    case forgetInstances
    case drain(LoopSpan)
}

/// One relay loop with everything its requests touch: doors, connections, the cache, the pool. One thread, no locks.
final class RelayWorker {
    let loop: RelayLoop
    let settings: RelaySettings
    /// Of doors without limits of their own.
    let limits: DoorLimits
    let guestLimits: GuestLimits?
    let answerCache: AnswerCache?
    let forwardedForPolicy: ForwardedForPolicy
    let mapping: Answer.Mapping
    /// Nil in a namespace proxy.
    let resolver: (any ClaimResolver)?
    let pool: UpstreamPool
    let observer: any RelayObserver
    private let mailbox: Mailbox<WorkerMessage>

    var cache: InstanceCache
    private var date = HTTPDate()
    /// Requests that wait for something that is not there yet.
    var heldRequests = 0
    /// Bytes of chunked bodies being collected.
    var collectedBytes = 0
    private(set) var isDraining = false

    private var doors: [ObjectIdentifier: DoorListener] = [:]
    private var guests: [GuestConnection] = []
    /// Objects of closed connections for the next ones; about a kilobyte each.
    private var spares: [GuestConnection] = []
    private static let sparesMax = 1_024
    /// Memory for the bytes of busy connections, in both directions: a megabyte at most while nobody is busy.
    var blocks = BlockPool(countMax: 256)
    /// How long a request may go on after its namespace's proxy has ended; Neutron's agents wait five seconds.
    private static let lentDoorGrace = LoopSpan.seconds(5)

    /// Whether other loops accept at the same doors.
    let sharesDoors: Bool

    init(
        _ plan: RelayPlan,
        sharesDoors: Bool,
        observer: any RelayObserver,
        mailbox: Mailbox<WorkerMessage>
    ) throws(LoopError) {
        self.sharesDoors = sharesDoors
        loop = try RelayLoop()
        settings = plan.settings
        limits = DoorLimits(plan.settings)
        guestLimits = plan.guestLimits
        answerCache = plan.answerCache
        forwardedForPolicy = plan.forwardedForPolicy
        switch plan.passage {
        case .resolve(let resolver):
            self.resolver = resolver
            mapping = .nova
        case .relay:
            resolver = nil
            mapping = .agent
        }
        pool = UpstreamPool(loop: loop, settings: plan.upstream)
        cache = InstanceCache(entriesMax: plan.settings.cachedInstancesMax)
        self.observer = observer
        self.mailbox = mailbox
        pool.noteConnectFailure = { [observer] address, reason in
            observer.noted(.connectFailed(address, reason: reason))
        }
        loop.batchEnded = { [observer] in
            observer.batchEnded()
        }
        guard loop.open(mailbox, receive: { [unowned self] in receive($0) }) else {
            throw LoopError(call: "epoll_ctl", code: errno)
        }
    }

    /// Serves until drained.
    func run() throws(LoopError) {
        try loop.run()
        for guest in guests { guest.close() }
        spares.removeAll()
        pool.closeIdle()
        observer.batchEnded()
    }

    private func receive(_ message: WorkerMessage) {
        switch message {
        case .resolution(let resolution, let ticket):
            (loop.handler(of: ticket.connection) as? GuestConnection)?
                .resolved(resolution, sequence: ticket.sequence)
        case .sharedAnswer(let answer, let ticket):
            (loop.handler(of: ticket.connection) as? GuestConnection)?
                .sharedAnswerArrived(answer, sequence: ticket.sequence)
        case .open(let door):
            guard !isDraining else { return }
            let listener = DoorListener(worker: self, door: door)
            doors[ObjectIdentifier(door.key)] = listener
            listener.start()
        case .close(let id):
            guard let listener = doors.removeValue(forKey: id) else { return }
            listener.stop()
            if listener.door.isLent { endGuests(of: listener.door.key) }
        case .replaceUpstream(let settings):
            pool.replace(settings: settings)
            cache.removeAll()
        case .forgetInstances:
            cache.removeAll()
        case .drain(let grace):
            drain(grace)
        }
    }

    // MARK: Guests

    var hasRoomForGuests: Bool { guests.count < settings.connectionsMax }

    func accept(_ descriptor: CInt, peer source: SocketAddress?, at door: Door) {
        let peer = source.flatMap(IPAddress.init(peer:))
        let port = source?.port ?? 0
        if let guestLimits, let peer, case .scope(let scope) = door.identity,
            !guestLimits.opened(by: peer, of: scope)
        {
            // No answer: it would have to be read, by somebody who does not read.
            Descriptor.close(descriptor)
            observer.noted(.tooManyConnections(client: peer, scope: scope))
            return
        }
        let guest: GuestConnection
        if let spare = spares.popLast() {
            guest = spare
            guest.reuse(door: door, peer: peer, port: port, descriptor: descriptor)
        } else {
            guest = GuestConnection(worker: self, door: door, peer: peer, port: port, descriptor: descriptor)
        }
        guest.index = guests.count
        guests.append(guest)
        guest.start()
    }

    func guestClosed(_ guest: GuestConnection) {
        let last = guests.removeLast()
        if last !== guest {
            last.index = guest.index
            guests[guest.index] = last
        }
        if spares.count < Self.sparesMax { spares.append(guest) }
        if let guestLimits, let peer = guest.peer, case .scope(let scope) = guest.identity {
            guestLimits.closed(by: peer, of: scope)
        }
        if isDraining {
            stopIfDrained()
        } else if guests.count == settings.connectionsMax - 1 {
            for door in doors.values { door.resume() }
        }
    }

    func currentDate() -> HTTPDate {
        date.refresh()
        return date
    }

    func resolve(_ claim: Claim, isFresh: Bool, for guest: GuestConnection) {
        guard let resolver, let ticket = guest.ticket else { return }
        resolver.resolve(claim, isFresh: isFresh, reply: reply(to: ticket))
    }

    func reply(to ticket: ExchangeTicket) -> ResolutionReply {
        ResolutionReply(mailbox: mailbox, ticket: ticket)
    }

    /// Whoever lent the door has ended. Every connection that came through it keeps its network's namespace alive, so
    /// they end too: idle ones now, others with their answer, and all of them soon.
    private func endGuests(of door: Door.Key) {
        let those = guests.filter { $0.door === door }
        guard !those.isEmpty else { return }
        for guest in those { guest.drain() }
        OneShot(loop) { [unowned self] in
            for guest in guests.filter({ $0.door === door }) { guest.abort() }
        }.start(after: Self.lentDoorGrace)
    }

    // MARK: Draining

    /// Takes no new connections, ends idle ones, and stops when the requests in flight are answered, or when the
    /// grace is over.
    private func drain(_ grace: LoopSpan) {
        guard !isDraining else { return }
        // Connections that the kernel has completed already would be reset; they belong to us.
        for door in doors.values { door.acceptWaiting() }
        isDraining = true
        for door in doors.values { door.stop() }
        doors.removeAll()
        // Those that end at once leave the list meanwhile.
        for guest in Array(guests) { guest.drain() }
        OneShot(loop) { [unowned self] in loop.stop() }.start(after: grace)
        stopIfDrained()
    }

    private func stopIfDrained() {
        if guests.isEmpty { loop.stop() }
    }
}

/// Calls its body once, and is the loop's until then.
private final class OneShot: LoopHandler {
    private unowned let loop: RelayLoop
    private let body: () -> Void
    private var token: RelayLoop.Token?

    init(_ loop: RelayLoop, _ body: @escaping () -> Void) {
        self.loop = loop
        self.body = body
    }

    func start(after span: LoopSpan) {
        let token = loop.add(self)
        self.token = token
        loop.setDeadline(token, loop.now + span)
    }

    func ready(_ readiness: Readiness) {}

    func deadlinePassed() {
        if let token { loop.remove(token) }
        body()
    }
}
