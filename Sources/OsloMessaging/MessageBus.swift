import Logging
import Synchronization

/// The client's side of oslo.messaging over RabbitMQ: remote calls and casts.
///
/// One connection on a thread of its own, which connects, fails over, keeps heartbeats running and consumes the one
/// reply queue (`BusWorker`). Callers wait without blocking a thread, and no longer than they say: neither a dead
/// broker nor a dead server holds them. Nothing is queued without bound.
public final class MessageBus: RPCClient {
    typealias Waiter = CheckedContinuation<Result<RemoteResult, MessagingError>, Never>

    struct State {
        var book: MessageBook
        var waiters: [MessageID: Waiter] = [:]
        var timers: [MessageID: Task<Void, Never>] = [:]
        var standing = Standing.new
        /// Counts the times the bus went away, so that an old timer does not act on a new absence.
        var absences = 0
        /// Whether somebody who cannot wait for long has asked since the worker looked last.
        var isWanted = false
        var isStopped = false
        /// Whether a server may still reply to calls that the end of the bus has ended.
        var leavesReplies = false
        var workerHasEnded = false
        var stopWaiters: [CheckedContinuation<Void, Never>] = []
    }

    /// Whether messages get through.
    enum Standing {
        /// No connection has been tried yet.
        case new
        /// Since when, and what was the matter before; nil if that was the first connection.
        case connected(since: Duration, after: MessagingError?)
        /// Since when, and why.
        case away(since: Duration, MessagingError)
    }

    let settings: MessagingSettings
    let logger: Logger
    let wakeUp: WakeUp
    private let connector: any BrokerConnector
    let state: Mutex<State>
    let now: @Sendable () -> Duration
    let sleep: @Sendable (Duration) async throws -> Void

    /// Connects to nothing yet; see `start`.
    ///
    /// - Parameter connectionName: by which the broker's operator knows us: `program:pid:uuid`.
    /// - Throws: `MessagingError.misconfigured`.
    public convenience init(
        settings: MessagingSettings,
        connectionName: String,
        version: String,
        logger: Logger
    ) throws(MessagingError) {
        try self.init(
            settings: settings,
            connector: RabbitConnector(settings: settings, connectionName: connectionName, version: version),
            clock: ContinuousClock(),
            logger: logger
        )
    }

    init(
        settings: MessagingSettings,
        connector: any BrokerConnector,
        clock: some Clock<Duration>,
        logger: Logger
    ) throws(MessagingError) {
        guard !settings.brokers.isEmpty else {
            throw MessagingError(.misconfigured, "There is no broker: set transport_url.")
        }
        let wakeUp = try WakeUp()
        let start = clock.now
        self.settings = settings
        self.connector = connector
        self.logger = logger
        self.wakeUp = wakeUp
        now = { start.duration(to: clock.now) }
        sleep = { try await clock.sleep(for: $0) }
        state = Mutex(State(book: MessageBook(messagesMax: settings.messagesMax)))
    }

    /// Starts the thread, which connects at once and for as long as it takes. Call it once, after any fork.
    public func start() throws(MessagingError) {
        try BusWorker.start(self, connector)
    }

    /// Ends every message that waits, then the connection. Waits a second at most for the broker's good-bye.
    public func shutdown() async {
        let (waiters, timers, isOver) = state.withLock { state in
            state.isStopped = true
            state.leavesReplies = state.leavesReplies || state.book.hasCalls
            _ = state.book.removeAll()
            defer {
                state.waiters = [:]
                state.timers = [:]
            }
            return (state.waiters, state.timers, state.workerHasEnded || state.standing.isNew)
        }
        for timer in timers.values { timer.cancel() }
        for waiter in waiters.values {
            waiter.resume(returning: .failure(MessagingError(.cancelled, "The message bus was shut down.")))
        }
        wakeUp.signal()
        guard !isOver else { return }
        let limit = Task {
            try? await self.sleep(.seconds(1))
            self.workerEnded()
        }
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if !state.workerHasEnded { state.stopWaiters.append(continuation) }
                return state.workerHasEnded
            }
            if isOver { continuation.resume() }
        }
        limit.cancel()
    }

    // MARK: Messages

    public func call(
        _ method: RemoteMethod,
        topic: String,
        context: [String: JSONValue],
        timeout: Duration,
        resendAfter: Duration?,
        isPatient: Bool
    ) async throws(MessagingError) -> RemoteResult {
        let message = MessageBook.Message(
            id: MessageID(),
            topic: topic,
            method: method,
            context: context,
            isCall: true,
            isPatient: isPatient,
            isRepeated: resendAfter != nil,
            useless: now() + min(resendAfter ?? timeout, timeout)
        )
        return try await send(message, timeout: timeout, resendAfter: resendAfter)
    }

    public func cast(
        _ method: RemoteMethod,
        topic: String,
        context: [String: JSONValue],
        timeout: Duration
    ) async throws(MessagingError) {
        let message = MessageBook.Message(
            id: MessageID(),
            topic: topic,
            method: method,
            context: context,
            isCall: false,
            isPatient: true,
            useless: now() + timeout
        )
        _ = try await send(message, timeout: timeout, resendAfter: nil)
    }

    private func send(
        _ message: MessageBook.Message,
        timeout: Duration,
        resendAfter: Duration?
    ) async throws(MessagingError) -> RemoteResult {
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { waiter in
                let refusal = state.withLock { add(message, waiter, timeout, resendAfter, &$0) }
                if let refusal { waiter.resume(returning: .failure(refusal)) }
                wakeUp.signal()
            }
        } onCancel: {
            finish(message.id, .failure(Self.givenUp))
        }
        return try result.get()
    }

    private func add(
        _ message: MessageBook.Message,
        _ waiter: Waiter,
        _ timeout: Duration,
        _ resendAfter: Duration?,
        _ state: inout State
    ) -> MessagingError? {
        // The flag is set before the cancellation handler runs, so a cancellation is seen here or there.
        if Task.isCancelled { return Self.givenUp }
        if state.isStopped { return MessagingError(.cancelled, "The message bus was shut down.") }
        if !message.isPatient { state.isWanted = true }
        if !message.isPatient, case .away(let since, let reason) = state.standing,
            now() - since >= settings.awayPatience
        {
            return reason
        }
        do {
            try state.book.add(message)
        } catch {
            return error
        }
        state.waiters[message.id] = waiter
        state.timers[message.id] = Task { await self.watch(message, timeout, resendAfter) }
        return nil
    }

    private static let givenUp = MessagingError(.cancelled, "The caller gave up waiting.")

    /// Resends the message as long as it waits, and ends it when its time is up.
    private func watch(_ message: MessageBook.Message, _ timeout: Duration, _ resendAfter: Duration?) async {
        let end = now() + timeout
        var pause = resendAfter ?? timeout
        while true {
            let left = end - now()
            guard (try? await sleep(min(pause, left))) != nil else { return }
            guard now() < end else { break }
            pause = pause * 2
            let useless = min(now() + pause, end)
            let isWaiting = state.withLock { state in
                state.book.sendAgain(message.id, uselessAfter: useless)
                return state.waiters[message.id] != nil
            }
            guard isWaiting else { return }
            logger.debug(
                "No reply yet, asking again",
                metadata: ["method": "\(message.method.name)", "topic": "\(message.topic)", "msg_id": "\(message.id)"]
            )
            wakeUp.signal()
        }
        finish(message.id, .failure(state.withLock { reason(whyNothingCameOf: message, within: timeout, $0) }))
    }

    /// The bus, if it was away for most of the time or the broker has not done its part, and otherwise the server: an
    /// operator who reads of the wrong one looks in the wrong place.
    private func reason(
        whyNothingCameOf message: MessageBook.Message,
        within timeout: Duration,
        _ state: State
    ) -> MessagingError {
        let what = "within \(timeout.inSeconds) s (\(message.method.name), message ID \(message.id))"
        switch state.standing {
        case .away(_, let reason): return reason
        case .new: return MessagingError(.unreachable, "No AMQP server could be connected to \(what).")
        case .connected(let since, let before):
            guard now() - since < timeout / 2 else { break }
            return MessagingError(
                before?.code ?? .unreachable,
                "\(before?.message ?? "No AMQP server was connected to.") It was back too late for an answer \(what)."
            )
        }
        if let now = state.book.message(message.id), now.isRejected { return now.rejection }
        guard message.isCall else {
            return MessagingError(
                .timeout,
                "The broker did not confirm a message for topic \(message.topic) \(what). Look at its log."
            )
        }
        return MessagingError(
            .timeout,
            "The server on topic \(message.topic) did not reply \(what). Check that neutron-server runs."
        )
    }

    /// Ends a message, unless it has ended already.
    func finish(_ id: MessageID, _ result: Result<RemoteResult, MessagingError>) {
        let (waiter, timer) = state.withLock { state in
            _ = state.book.remove(id)
            return (state.waiters.removeValue(forKey: id), state.timers.removeValue(forKey: id))
        }
        timer?.cancel()
        waiter?.resume(returning: result)
    }
}

extension Duration {
    /// For log lines: whole numbers without a fraction.
    var inSeconds: String {
        let (seconds, attoseconds) = components
        let tenths = attoseconds / 100_000_000_000_000_000
        return tenths == 0 ? "\(seconds)" : "\(seconds).\(tenths)"
    }
}
