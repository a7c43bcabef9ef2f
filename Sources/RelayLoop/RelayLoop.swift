import CEpoll
import Glibc

/// Something the loop watches: a listener, a connection, a mailbox.
///
/// Called on the loop's thread only. A handler may add and remove handlers, itself included.
public protocol LoopHandler: AnyObject {
    /// The descriptor may be read or written, or its connection has ended: try, and believe the call's result.
    func ready(_ readiness: Readiness)
    /// The deadline set for this handler has passed. It is dropped before the call.
    func deadlinePassed()
}

/// What epoll reported. Errors and hang-ups count as both readable and writable: the next call tells.
public struct Readiness: OptionSet, Sendable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let readable = Readiness(rawValue: 1)
    public static let writable = Readiness(rawValue: 2)
    /// The peer has closed its sending side, or the whole connection.
    public static let peerClosed = Readiness(rawValue: 4)
    /// The connection is gone in both directions.
    public static let hangUp = Readiness(rawValue: 8)
}

/// One thread, one epoll set: readiness, deadlines and a way in from other threads. It knows no HTTP.
///
/// Edge-triggered for connections (registered once, never modified: no epoll_ctl per request), level-triggered
/// for listeners. Descriptors are closed by their owners; a slot's generation keeps an event that was
/// already fetched for a closed descriptor from reaching its successor. Not Sendable: made and used on one thread.
public final class RelayLoop {
    /// Names a handler's place in the loop; stale once removed, and never equal to a later one.
    public struct Token: Hashable, Sendable {
        fileprivate let slot: UInt32
        fileprivate let generation: UInt32

        fileprivate var key: UInt64 { UInt64(generation) << 32 | UInt64(slot) }
    }

    private struct Slot {
        var handler: (any LoopHandler)?
        var generation: UInt32 = 0
    }

    /// Events taken from the kernel at once.
    private static let batchMax = 256

    private let epoll: CInt
    private var slots: [Slot] = []
    private var freeSlots: [UInt32] = []
    private var deadlines: DeadlineWheel
    /// Handlers that stopped in the middle of their work to let others have a turn.
    private var unfinished: [Token] = []
    private var isStopping = false

    /// The time of the current batch; one clock call serves all its events.
    public private(set) var now: LoopInstant
    /// Counts the batches, so that a handler can tell that it is called again at once.
    public private(set) var batch: UInt64 = 0
    /// Runs after each batch of events: the place to write out what the batch collected.
    public var batchEnded: (() -> Void)?

    /// - Throws: `LoopError` if the process is out of descriptors.
    public init() throws(LoopError) {
        epoll = cepoll_create()
        guard epoll >= 0 else { throw LoopError(call: "epoll_create1", code: errno) }
        now = .now
        deadlines = DeadlineWheel(now: now)
    }

    deinit {
        Descriptor.close(epoll)
    }

    // MARK: Handlers

    /// Gives `handler` a place, for deadlines and later `watch`.
    public func add(_ handler: any LoopHandler) -> Token {
        if let slot = freeSlots.popLast() {
            slots[Int(slot)].handler = handler
            return Token(slot: slot, generation: slots[Int(slot)].generation)
        }
        slots.append(Slot(handler: handler, generation: 1))
        return Token(slot: UInt32(slots.count - 1), generation: 1)
    }

    /// Ends every call to the handler. The descriptor is the caller's to close, at once or before.
    public func remove(_ token: Token) {
        guard isCurrent(token) else { return }
        deadlines.remove(Int(token.slot))
        slots[Int(token.slot)].handler = nil
        slots[Int(token.slot)].generation &+= 1
        freeSlots.append(token.slot)
    }

    /// Whether the handler that `token` was given for is still there.
    public func isCurrent(_ token: Token) -> Bool {
        token.slot < slots.count && slots[Int(token.slot)].generation == token.generation
    }

    /// The handler that `token` was given for, if it is still there.
    public func handler(of token: Token) -> (any LoopHandler)? {
        isCurrent(token) ? slots[Int(token.slot)].handler : nil
    }

    public enum Interest: Sendable {
        /// Both directions of a connection, edge-triggered: read and write until the call would block.
        case connection
        /// A listener shared with other loops: one of them is woken per connection, again while any waits.
        case sharedListener
        /// An eventfd or signalfd, reported as long as it is readable.
        case notification
    }

    /// Starts reporting the descriptor's readiness to the handler of `token`. False if the kernel refuses
    /// (out of memory or watches).
    public func watch(_ token: Token, _ descriptor: CInt, as interest: Interest) -> Bool {
        let events: UInt32 =
            switch interest {
            case .connection:
                cepoll_in | cepoll_out | cepoll_read_hangup | cepoll_edge
            case .sharedListener: cepoll_in | cepoll_exclusive
            case .notification: cepoll_in
            }
        return cepoll_add(epoll, descriptor, events, token.key) == 0
    }

    /// Stops reporting; needed only where other processes or loops hold the descriptor too, since closing the
    /// last copy does it.
    public func unwatch(_ descriptor: CInt) {
        _ = cepoll_remove(epoll, descriptor)
    }

    /// Sets or drops the handler's one deadline. Noticed up to 32 ms late.
    public func setDeadline(_ token: Token, _ due: LoopInstant?) {
        guard isCurrent(token) else { return }
        deadlines.set(Int(token.slot), due: due)
    }

    /// Calls the handler's `ready` again after the other events of this batch.
    public func again(_ token: Token) {
        unfinished.append(token)
    }

    /// Hands every message posted to `mailbox` to `receive`, on this loop's thread.
    ///
    /// - Returns: false if the mailbox cannot be watched.
    public func open<Message: Sendable>(
        _ mailbox: Mailbox<Message>,
        receive: @escaping (Message) -> Void
    ) -> Bool {
        let token = add(MailboxReader(mailbox: mailbox, receive: receive))
        return watch(token, mailbox.wakeUp, as: .notification)
    }

    // MARK: Running

    /// Serves events until `stop()`.
    ///
    /// - Throws: `LoopError` if epoll itself fails, which the kernel only does for broken arguments.
    public func run() throws(LoopError) {
        isStopping = false
        let empty = cepoll_event(key: 0, events: 0)
        var events = [cepoll_event](repeating: empty, count: Self.batchMax)
        while !isStopping {
            let count = cepoll_wait(epoll, &events, CInt(Self.batchMax), waitMilliseconds())
            now = .now
            batch &+= 1
            if count < 0 {
                if errno == EINTR { continue }
                throw LoopError(call: "epoll_wait", code: errno)
            }
            let leftOver = unfinished
            unfinished.removeAll(keepingCapacity: true)
            for index in 0..<Int(count) {
                let event = events[index]
                let token = Token(
                    slot: UInt32(truncatingIfNeeded: event.key),
                    generation: UInt32(truncatingIfNeeded: event.key >> 32)
                )
                dispatch(token, readiness(of: event.events))
            }
            for token in leftOver { dispatch(token, [.readable, .writable]) }
            sweepDeadlines()
            batchEnded?()
        }
    }

    /// Makes `run` return after the current batch. For the loop's own thread; others post a message.
    public func stop() {
        isStopping = true
    }

    private func dispatch(_ token: Token, _ readiness: Readiness) {
        guard isCurrent(token), let handler = slots[Int(token.slot)].handler else { return }
        handler.ready(readiness)
    }

    private func sweepDeadlines() {
        var expired: [Int] = []
        deadlines.sweep(now: now, into: &expired)
        if expired.isEmpty { return }
        // Tokens first: a handler may end another one whose slot is then given to a third.
        let tokens = expired.map { Token(slot: UInt32($0), generation: slots[$0].generation) }
        for token in tokens where isCurrent(token) {
            slots[Int(token.slot)].handler?.deadlinePassed()
        }
    }

    private func readiness(of events: UInt32) -> Readiness {
        var readiness: Readiness = []
        if events & cepoll_in != 0 { readiness.insert(.readable) }
        if events & cepoll_out != 0 { readiness.insert(.writable) }
        if events & cepoll_read_hangup != 0 { readiness.formUnion([.readable, .peerClosed]) }
        if events & (cepoll_error | cepoll_hangup) != 0 {
            readiness.formUnion([.readable, .writable, .peerClosed, .hangUp])
        }
        return readiness
    }

    private func waitMilliseconds() -> CInt {
        if !unfinished.isEmpty { return 0 }
        guard let next = deadlines.nextSweep else { return -1 }
        let wait = next.since(.now)
        // Rounded up: waking a moment too early would mean waking twice.
        return CInt(min((wait.nanoseconds + 999_999) / 1_000_000, 60_000))
    }
}

private final class MailboxReader<Message: Sendable>: LoopHandler {
    private let mailbox: Mailbox<Message>
    private let receive: (Message) -> Void

    init(mailbox: Mailbox<Message>, receive: @escaping (Message) -> Void) {
        self.mailbox = mailbox
        self.receive = receive
    }

    func ready(_ readiness: Readiness) {
        for message in mailbox.takeAll() { receive(message) }
    }

    func deadlinePassed() {}
}
