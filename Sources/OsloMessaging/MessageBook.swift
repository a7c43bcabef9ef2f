/// The messages that wait to be sent, confirmed or answered: rules without threads, clocks or sockets.
///
/// A call ends with its reply, a cast with the broker's confirmation; both with an error that concerns them. What was
/// sent on a connection that then broke is sent again on the next one, because either the request or the reply may
/// have been lost with it. The methods asked for may be asked twice.
struct MessageBook {
    struct Message {
        var id: MessageID
        var topic: String
        var method: RemoteMethod
        var context: [String: JSONValue]
        var isCall: Bool
        /// Whether it waits for a broker as long as its time allows, instead of failing soon.
        var isPatient: Bool
        /// Whether it is sent again by and by while it has no reply.
        var isRepeated = false
        /// Until when a sending of it is of use; the broker drops it then. Moves with each sending.
        var useless: Duration
        var isQueued = true
        /// Whether the broker could not take it when it was sent last.
        var isRejected = false
        /// The last result other than null that has come for it.
        var result: RemoteResult?
    }

    enum Ending {
        case done(RemoteResult)
        case failed(MessagingError)
    }

    /// What a reply means.
    enum Receipt {
        case ended(MessageID, Ending)
        /// A part of an answer; the rest follows.
        case partial
        /// Nobody waits for it (any more).
        case unknown(MessageID)
        case duplicate
    }

    private let messagesMax: Int
    private var messages: [MessageID: Message] = [:]
    private var queue: [MessageID] = []
    /// The last replies' own names; oslo.messaging keeps as many.
    private var recent: [MessageID] = []
    private static let recentMax = 16

    init(messagesMax: Int) {
        self.messagesMax = messagesMax
    }

    var hasQueued: Bool { !queue.isEmpty }
    /// Whether a reply may come.
    var hasCalls: Bool { messages.values.contains { $0.isCall } }
    var hasImpatient: Bool { messages.values.contains { !$0.isPatient } }

    mutating func add(_ message: Message) throws(MessagingError) {
        guard messages.count < messagesMax else {
            throw MessagingError(.overloaded, "\(messagesMax) messages wait for the message bus already.")
        }
        messages[message.id] = message
        queue.append(message.id)
    }

    /// Sends a call again, if it still waits and is not about to be sent anyway.
    mutating func sendAgain(_ id: MessageID, uselessAfter useless: Duration) {
        guard let message = messages[id] else { return }
        messages[id]?.useless = useless
        guard !message.isQueued else { return }
        messages[id]?.isQueued = true
        queue.append(id)
    }

    /// The next message to send.
    mutating func next() -> Message? {
        while !queue.isEmpty {
            let id = queue.removeFirst()
            guard messages[id] != nil else { continue }
            messages[id]?.isQueued = false
            messages[id]?.isRejected = false
            return messages[id]
        }
        return nil
    }

    /// The message has ended for a reason of its own: a timeout, a return, its caller's cancellation.
    ///
    /// - Returns: nil if it had ended before.
    mutating func remove(_ id: MessageID) -> Message? {
        let message = messages.removeValue(forKey: id)
        // Nothing takes the queue while the bus is away or blocked, and it must not grow by what has ended.
        if message?.isQueued == true { queue.removeAll { $0 == id } }
        return message
    }

    func message(_ id: MessageID) -> Message? { messages[id] }

    /// The broker has it: the end of a cast.
    mutating func confirmed(_ id: MessageID) -> Ending? {
        guard let message = messages[id], !message.isCall else { return nil }
        _ = remove(id)
        return .done(RemoteResult(message: nil))
    }

    /// The broker could not take it. A message that is repeated anyway waits for that, and any other one ends: sent
    /// again at once, it would come back at once.
    mutating func rejected(_ id: MessageID) -> Ending? {
        guard let message = messages[id] else { return nil }
        guard !message.isRepeated else {
            messages[id]?.isRejected = true
            return nil
        }
        _ = remove(id)
        return .failed(message.rejection)
    }

    /// The connection is gone: what was sent goes out again, before what was not.
    mutating func connectionLost() {
        let sent = messages.values.filter { !$0.isQueued }.map(\.id)
        for id in sent { messages[id]?.isQueued = true }
        queue = sent + queue
    }

    /// The messages that do not wait for a broker any longer.
    mutating func removeImpatient() -> [MessageID] {
        let ids = messages.values.filter { !$0.isPatient }.map(\.id)
        for id in ids { messages[id] = nil }
        queue.removeAll { messages[$0] == nil }
        return ids
    }

    mutating func removeAll() -> [MessageID] {
        defer {
            messages = [:]
            queue = []
        }
        return Array(messages.keys)
    }

    mutating func received(_ reply: ReplyMessage) -> Receipt {
        if let id = reply.uniqueID {
            if recent.contains(id) { return .duplicate }
            recent.append(id)
            if recent.count > Self.recentMax { recent.removeFirst() }
        }
        guard let message = messages[reply.callID], message.isCall else { return .unknown(reply.callID) }
        if let failure = reply.failure {
            _ = remove(reply.callID)
            return .ended(reply.callID, .failed(failure.error(method: message.method.name, topic: message.topic)))
        }
        if let result = reply.result { messages[reply.callID]?.result = RemoteResult(message: result) }
        guard reply.isLast else { return .partial }
        let ended = remove(reply.callID)
        return .ended(reply.callID, .done(ended?.result ?? RemoteResult(message: nil)))
    }
}

extension MessageBook.Message {
    var rejection: MessagingError {
        MessagingError(
            .rejected,
            "The broker could not take \(method.name) for topic \(topic). Look at the topic's queue there: it may be full."
        )
    }
}
