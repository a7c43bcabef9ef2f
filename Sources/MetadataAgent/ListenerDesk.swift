import Glibc
import LinuxHost
import ListenerHandover
import Logging
import MetadataModel
import RelayLoop
import RequestPath

/// The agent's side: takes listening sockets that namespace proxies hand over, and gives them to the relay loops as
/// doors. A lease lasts as long as its connection; a proxy that ends, in whatever way, gets its sockets back at once.
///
/// One thread with a loop of its own, so that five hundred proxies after a restart disturb no guest.
final class ListenerDesk: Sendable {
    private enum Message: Sendable {
        case stop
    }

    private let mailbox: Mailbox<Message>

    /// Starts taking offers at a socket, which belongs to the desk from now on.
    ///
    /// - Parameter users: who may hand over listeners, besides root and our own user.
    /// - Throws: `LoopError` if the process may have no more descriptors or threads.
    init(
        socket: ListeningSocketHandle,
        relay: RelayService,
        users: Set<uid_t>,
        logger: Logger
    ) throws(LoopError) {
        let mailbox = try Mailbox<Message>()
        self.mailbox = mailbox
        let users = users.union([0, geteuid()])
        try LoopThread.start(name: "listeners") {
            do throws(LoopError) {
                let loop = try RelayLoop()
                let counter = DeskCounter(socket: socket, loop: loop, relay: relay, users: users, logger: logger)
                guard loop.open(mailbox, receive: { _ in counter.close() }), counter.open() else {
                    throw LoopError(call: "epoll_ctl", code: errno)
                }
                try loop.run()
            } catch {
                logger.error("Listeners cannot be taken over", metadata: ["reason": "\(error)"])
            }
        }
    }

    /// Gives everything back: proxies offer their sockets to the next agent, or serve by themselves.
    func stop() {
        mailbox.post(.stop)
    }
}

/// The listening end of the desk, and its leases. One thread.
private final class DeskCounter: LoopHandler {
    /// More proxies than any host has networks.
    private static let leasesMax = 65_536
    private static let acceptsPerTurn = 64

    private let socket: ListeningSocketHandle
    let loop: RelayLoop
    let relay: RelayService
    let logger: Logger
    private let users: Set<uid_t>
    private var token: RelayLoop.Token?
    private var leases: [ObjectIdentifier: DeskLease] = [:]

    init(socket: ListeningSocketHandle, loop: RelayLoop, relay: RelayService, users: Set<uid_t>, logger: Logger) {
        self.socket = socket
        self.loop = loop
        self.relay = relay
        self.users = users
        self.logger = logger
    }

    func open() -> Bool {
        let token = loop.add(self)
        self.token = token
        return loop.watch(token, socket.descriptor, as: .notification)
    }

    func close() {
        if let token { loop.remove(token) }
        token = nil
        for lease in Array(leases.values) { lease.end() }
        loop.stop()
    }

    func ready(_ readiness: Readiness) {
        for _ in 0..<Self.acceptsPerTurn {
            guard let connection = PacketSocket.accept(socket.descriptor) else {
                // Out of descriptors: the backlog keeps the proxies, which wait for an answer and then try again.
                if errno != EAGAIN, let token {
                    loop.unwatch(socket.descriptor)
                    loop.setDeadline(token, loop.now + .milliseconds(100))
                }
                return
            }
            admit(connection)
        }
    }

    func deadlinePassed() {
        if let token { _ = loop.watch(token, socket.descriptor, as: .notification) }
    }

    private func admit(_ connection: PacketSocket) {
        guard let peer = connection.peer, users.contains(peer.user) else {
            logger.warning(
                "Listeners of a user who may not hand any over are refused",
                metadata: ["uid": "\(connection.peer.map { "\($0.user)" } ?? "?")"]
            )
            _ = connection.send(ListenerReply.refused("this user may not hand over listeners").bytes)
            return connection.close()
        }
        guard leases.count < Self.leasesMax else { return connection.close() }
        let lease = DeskLease(connection, from: peer, at: self)
        leases[ObjectIdentifier(lease)] = lease
        if !lease.start() { lease.end() }
    }

    func ended(_ lease: DeskLease) {
        leases[ObjectIdentifier(lease)] = nil
    }
}

/// One proxy's connection, and the doors it lends.
private final class DeskLease: LoopHandler {
    /// Time for the offer, which a proxy sends with the connection.
    private static let offerTimeout = LoopSpan.seconds(5)

    private let connection: PacketSocket
    private let peer: PacketSocket.Peer
    private unowned let desk: DeskCounter
    private var token: RelayLoop.Token?
    private var doors: [Door] = []
    private var scope: Scope?

    init(_ connection: PacketSocket, from peer: PacketSocket.Peer, at desk: DeskCounter) {
        self.connection = connection
        self.peer = peer
        self.desk = desk
    }

    func start() -> Bool {
        let token = desk.loop.add(self)
        self.token = token
        desk.loop.setDeadline(token, desk.loop.now + Self.offerTimeout)
        // A proxy that has given up meanwhile, because we hung, is gone here.
        return connection.send(ListenerReply.ready.bytes)
            && desk.loop.watch(token, connection.descriptor, as: .notification)
    }

    func ready(_ readiness: Readiness) {
        switch connection.receive(bytesMax: ListenerOffer.bytesMax) {
        case .wouldBlock: break
        case .message(let bytes, let descriptors): received(bytes, descriptors)
        case .ended: end()
        case .failed(EMSGSIZE):
            refuse("the offer is larger than \(ListenerOffer.bytesMax) bytes, or has too many sockets")
        case .failed: end()
        }
    }

    /// No offer in time.
    func deadlinePassed() {
        end()
    }

    private func received(_ bytes: [UInt8], _ descriptors: [CInt]) {
        // From here on they are closed with their handles.
        let sockets = descriptors.map(ListeningSocketHandle.init(adopting:))
        guard doors.isEmpty else { return refuse("one connection carries one offer") }
        guard !sockets.isEmpty else { return refuse("the offer has no sockets") }
        for socket in sockets where !Self.isGuestListener(socket.descriptor) {
            return refuse("a descriptor is not a listening TCP socket")
        }
        let offer: ListenerOffer
        do {
            offer = try ListenerOffer(bytes)
        } catch {
            return refuse("the offer cannot be read: \(error)")
        }
        let limits = offer.limits
        doors = sockets.map { Door(socket: $0, identity: .scope(offer.scope), limits: limits, isLent: true) }
        scope = offer.scope
        if let token { desk.loop.setDeadline(token, nil) }
        for door in doors { desk.relay.open(door) }
        guard connection.send(ListenerReply.accepted.bytes) else { return end() }
        desk.logger.info(
            "Listeners taken over",
            metadata: ["scope": "\(offer.scope)", "sockets": "\(doors.count)", "pid": "\(peer.pid)"]
        )
    }

    private func refuse(_ why: String) {
        desk.logger.warning("Offered listeners are refused", metadata: ["reason": "\(why)", "pid": "\(peer.pid)"])
        _ = connection.send(ListenerReply.refused(why).bytes)
        end()
    }

    func end() {
        guard let token else { return }
        self.token = nil
        for door in doors { desk.relay.close(door) }
        doors = []
        desk.loop.remove(token)
        connection.close()
        if let scope {
            desk.logger.info("Listeners given back", metadata: ["scope": "\(scope)", "pid": "\(peer.pid)"])
        }
        desk.ended(self)
    }

    /// Anything else could make a loop spin, or serve guests of nowhere.
    private static func isGuestListener(_ descriptor: CInt) -> Bool {
        func option(_ name: CInt) -> CInt? {
            var value: CInt = 0
            var size = socklen_t(MemoryLayout<CInt>.size)
            return getsockopt(descriptor, SOL_SOCKET, name, &value, &size) == 0 ? value : nil
        }
        guard option(SO_ACCEPTCONN) == 1, let domain = option(SO_DOMAIN), domain == AF_INET || domain == AF_INET6
        else { return false }
        // Both processes share the flag; a loop must never wait in accept.
        let flags = fcntl(descriptor, F_GETFL)
        return flags >= 0 && fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) == 0
    }
}
