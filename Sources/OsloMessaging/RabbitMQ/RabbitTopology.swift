import CRabbitMQ

/// What a client declares on each new connection: the exchange for requests, the queue for replies. Never the
/// server's own queues.
struct RabbitTopology {
    let settings: MessagingSettings

    private static let accessRefused = 403
    private static let notFound = 404
    private static let preconditionFailed = 406

    /// - Returns: the reply queue's name: a new one, if the broker has a queue of another kind under the wanted one.
    /// - Throws: `LinkError` if there can be no replies.
    func declare(on connection: RabbitConnection, replyQueue wanted: String) throws(LinkError) -> String {
        try connection.openChannel(RabbitConnection.sending)
        try declareExchange(connection)
        amqp_confirm_select(connection.state, RabbitConnection.sending)
        try require(connection, "publisher confirms")

        try connection.openChannel(RabbitConnection.receiving)
        if settings.prefetchCount > 0 {
            let count = UInt16(clamping: settings.prefetchCount)
            amqp_basic_qos(connection.state, RabbitConnection.receiving, 0, count, 0)
            try require(connection, "basic.qos")
        }
        let queue = try declareReplyQueue(connection, wanted)
        try bindDirectExchange(connection, queue)
        let arena = AMQPArena()
        amqp_basic_consume(
            connection.state,
            RabbitConnection.receiving,
            arena.bytes(queue),
            arena.bytes("1"),
            0,
            0,
            0,
            amqp_table_t()
        )
        try require(connection, "consuming \(queue)")
        return queue
    }

    private func require(_ connection: RabbitConnection, _ what: String) throws(LinkError) {
        if case .channelClosed(_, let text) = try connection.answer() {
            throw LinkError("\(what) failed: \(text)")
        }
    }

    /// The server declares it too, and the first one decides its kind. Another durability than ours is taken as it is
    /// (oslo.messaging since 2023.1; before, the agent died of it).
    private func declareExchange(_ connection: RabbitConnection) throws(LinkError) {
        let channel = RabbitConnection.sending
        func declare(isPassive: Bool) throws(LinkError) -> RabbitConnection.Answer {
            let arena = AMQPArena()
            amqp_exchange_declare(
                connection.state,
                channel,
                arena.bytes(settings.exchange),
                arena.bytes("topic"),
                isPassive ? 1 : 0,
                settings.isExchangeDurable ? 1 : 0,
                settings.isExchangeAutoDeleted ? 1 : 0,
                0,
                amqp_table_t()
            )
            return try connection.answer()
        }
        guard case .channelClosed(let code, let text) = try declare(isPassive: false) else { return }
        try connection.openChannel(channel, again: true)
        // 406: it exists and differs. 403: we may not declare it, so it had better exist. Publishing tells.
        guard code == Self.preconditionFailed || code == Self.accessRefused else {
            throw LinkError("the exchange \(settings.exchange) cannot be declared: \(text)")
        }
        guard case .channelClosed(_, let text) = try declare(isPassive: true) else { return }
        try connection.openChannel(channel, again: true)
        throw LinkError("the exchange \(settings.exchange) cannot be used: \(text)")
    }

    private func declareReplyQueue(
        _ connection: RabbitConnection,
        _ wanted: String
    ) throws(LinkError) -> String {
        let channel = RabbitConnection.receiving
        guard case .channelClosed(let code, let text) = try declareQueue(connection, wanted) else { return wanted }
        try connection.openChannel(channel, again: true)
        switch code {
        case Self.preconditionFailed where settings.replyQueue.fixedName == nil:
            let fresh = "reply_\(MessageID())"
            if case .channelClosed(_, let text) = try declareQueue(connection, fresh) {
                throw LinkError("the queue \(fresh) cannot be declared: \(text)")
            }
            return fresh
        case Self.notFound:
            // The node that has it is down: have it made anew on another one.
            let arena = AMQPArena()
            amqp_queue_delete(connection.state, channel, arena.bytes(wanted), 0, 0)
            if case .channelClosed = try connection.answer() { try connection.openChannel(channel, again: true) }
            if case .channelClosed(_, let text) = try declareQueue(connection, wanted) {
                throw LinkError("the queue \(wanted) cannot be declared: \(text)")
            }
            return wanted
        default:
            throw LinkError("the queue \(wanted) cannot be declared: \(text)")
        }
    }

    private func declareQueue(_ connection: RabbitConnection, _ name: String) throws(LinkError)
        -> RabbitConnection.Answer
    {
        let arena = AMQPArena()
        amqp_queue_declare(
            connection.state,
            RabbitConnection.receiving,
            arena.bytes(name),
            0,
            settings.replyQueue.isQuorum ? 1 : 0,
            0,
            0,
            arena.table(settings.replyQueue.arguments)
        )
        return try connection.answer()
    }

    /// Servers up to Rocky reply through a direct exchange of the queue's name; later ones through the default
    /// exchange, for which nothing need be declared. Where the broker forbids it, only old servers are out of reach.
    private func bindDirectExchange(_ connection: RabbitConnection, _ queue: String) throws(LinkError) {
        let channel = RabbitConnection.receiving
        let arena = AMQPArena()
        let name = arena.bytes(queue)
        amqp_exchange_declare(connection.state, channel, name, arena.bytes("direct"), 0, 0, 1, 0, amqp_table_t())
        guard case .done = try connection.answer() else { return try connection.openChannel(channel, again: true) }
        amqp_queue_bind(connection.state, channel, name, name, name, amqp_table_t())
        guard case .done = try connection.answer() else { return try connection.openChannel(channel, again: true) }
    }
}

extension MessagingSettings.ReplyQueue {
    /// RabbitMQ takes 32 bits of milliseconds, some 49 days.
    private static let lifetimeSecondsMax = 4_294_967

    /// The order and the types are the reference's: a queue that another release declared must be equal.
    var arguments: [(String, AMQPArena.Field)] {
        var arguments: [(String, AMQPArena.Field)] = []
        if isQuorum {
            arguments.append(("x-queue-type", .string("quorum")))
            if deliveryLimit > 0 { arguments.append(("x-delivery-limit", .integer(deliveryLimit))) }
            if memoryMessagesMax > 0 { arguments.append(("x-max-in-memory-length", .integer(memoryMessagesMax))) }
            if memoryBytesMax > 0 { arguments.append(("x-max-in-memory-bytes", .integer(memoryBytesMax))) }
        } else if isMirrored {
            arguments.append(("x-ha-policy", .string("all")))
        }
        if lifetimeSeconds > 0 {
            arguments.append(("x-expires", .integer(min(lifetimeSeconds, Self.lifetimeSecondsMax) * 1_000)))
        }
        return arguments
    }
}
