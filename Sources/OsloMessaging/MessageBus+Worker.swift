import Logging
import Synchronization

/// The bus as its thread sees it: what is to be sent, and what has come of it.
extension MessageBus {
    var isStopped: Bool { state.withLock { $0.isStopped } }
    var leavesReplies: Bool { state.withLock { $0.leavesReplies } }
    var hasQueued: Bool { state.withLock { $0.book.hasQueued } }
    var time: Duration { now() }

    func nextMessage() -> MessageBook.Message? {
        state.withLock { $0.book.next() }
    }

    func connected() {
        state.withLock { state in
            switch state.standing {
            case .new: state.standing = .connected(since: now(), after: nil)
            case .away(_, let reason): state.standing = .connected(since: now(), after: reason)
            case .connected: break
            }
        }
    }

    /// What was sent on the connection goes out again on the next one.
    func connectionLost() {
        state.withLock { $0.book.connectionLost() }
    }

    /// Whether somebody waits, or has been turned away since the last call, who cannot wait for long.
    func takeDemand() -> Bool {
        state.withLock { state in
            defer { state.isWanted = false }
            return state.isWanted || state.book.hasImpatient
        }
    }

    /// Messages do not get through for now. What is impatient ends after a while, here and not on the worker's
    /// thread, which may be held up by a broker that does not answer.
    func away(_ reason: MessagingError) {
        let absence: Int? = state.withLock { state in
            if case .away(let since, _) = state.standing {
                state.standing = .away(since: since, reason)
                return nil
            }
            state.standing = .away(since: now(), reason)
            state.absences += 1
            // Who asked while all was well has been served, or waits and is seen by that.
            state.isWanted = false
            return state.absences
        }
        guard let absence else { return }
        Task {
            try? await sleep(settings.awayPatience)
            endImpatient(absence)
        }
    }

    private func endImpatient(_ absence: Int) {
        let (ended, reason) = state.withLock { state -> ([Waiter], MessagingError?) in
            guard case .away(_, let reason) = state.standing, state.absences == absence else { return ([], nil) }
            let ids = state.book.removeImpatient()
            for id in ids { state.timers.removeValue(forKey: id)?.cancel() }
            return (ids.compactMap { state.waiters.removeValue(forKey: $0) }, reason)
        }
        guard let reason else { return }
        for waiter in ended { waiter.resume(returning: .failure(reason)) }
    }

    /// Takes a confirmation; it is the end of a cast.
    func confirmed(_ id: MessageID) {
        if case .done(let result) = state.withLock({ $0.book.confirmed(id) }) { finish(id, .success(result)) }
    }

    /// The broker could not take the message.
    func rejected(_ id: MessageID) {
        if case .failed(let error) = state.withLock({ $0.book.rejected(id) }) { finish(id, .failure(error)) }
    }

    /// No queue is bound for the message's topic.
    func unroutable(_ id: MessageID, _ reason: String) {
        guard let message = state.withLock({ $0.book.message(id) }) else { return }
        finish(
            id,
            .failure(
                MessagingError(
                    .unroutable,
                    "No server listens on topic \(message.topic) of exchange \(settings.exchange) in virtual host"
                        + " \(settings.virtualHost) (\(reason)). Check that neutron-server runs, and that"
                        + " transport_url and control_exchange are the server's."
                )
            )
        )
    }

    func received(_ reply: ReplyMessage) {
        switch state.withLock({ $0.book.received(reply) }) {
        case .ended(let id, .done(let result)): finish(id, .success(result))
        case .ended(let id, .failed(let error)): finish(id, .failure(error))
        case .partial: break
        case .unknown(let id):
            // A call that was sent twice is answered twice, so this is nothing to worry an operator with.
            logger.debug("No calling threads waiting for msg_id : \(id)")
        case .duplicate:
            logger.debug("Reply delivered twice, dropped", metadata: ["msg_id": "\(reply.callID)"])
        }
    }

    func workerEnded() {
        let waiters = state.withLock { state in
            state.workerHasEnded = true
            defer { state.stopWaiters = [] }
            return state.stopWaiters
        }
        for waiter in waiters { waiter.resume() }
    }
}

extension MessageBus.Standing {
    var isNew: Bool {
        if case .new = self { return true }
        return false
    }
}
