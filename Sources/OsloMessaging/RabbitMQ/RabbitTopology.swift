import CRabbitMQ

/// What a client declares on each new connection: the exchange for requests, the queue for replies. Never the
/// server's own queues.
struct RabbitTopology {
    let settings: MessagingSettings

    static let accessRefused = 403
    private static let notFound = 404
    private static let resourceLocked = 405
    private static let preconditionFailed = 406

    /// - Returns: what there is: `wanted`, or what the broker has instead.
    /// - Throws: `LinkError` if there can be no requests or no replies.
    func declare(_ wanted: BrokerObjects, on connection: RabbitConnection) throws(LinkError) -> BrokerObjects {
        var objects = wanted
        try connection.openChannel(RabbitConnection.sending)
        objects.exchange = try declareExchange(wanted.exchange, connection)
        amqp_confirm_select(connection.state, RabbitConnection.sending)
        try require(connection, "publisher confirms")

        try connection.openChannel(RabbitConnection.receiving)
        objects.replyQueue = try declareReplyQueue(wanted.replyQueue, connection)
        try bindDirectExchange(connection, objects.replyQueue)
        try consume(connection, objects.replyQueue)
        return objects
    }

    private func consume(_ connection: RabbitConnection, _ queue: String) throws(LinkError) {
        let channel = RabbitConnection.receiving
        // Holds for consumers that come after it, and only until the channel is closed and opened again.
        if settings.prefetchCount > 0 {
            amqp_basic_qos(connection.state, channel, 0, UInt16(clamping: settings.prefetchCount), 0)
            try require(connection, "basic.qos")
        }
        let arena = AMQPArena()
        amqp_basic_consume(
            connection.state,
            channel,
            arena.bytes(queue),
            arena.bytes("1"),
            0,
            0,
            0,
            amqp_table_t()
        )
        try require(connection, "consuming \(queue)")
    }

    private func require(_ connection: RabbitConnection, _ what: String) throws(LinkError) {
        if case .channelClosed(_, let text) = try connection.answer() {
            throw LinkError("\(what) failed: \(text)", .denied)
        }
    }

    // MARK: The exchange

    /// The server declares it too, and the first one decides its kind. Another kind than ours is taken as it is
    /// (oslo.messaging since 2023.1; before, the agent died of it). Which one it is must be known: after a restart of
    /// the broker it may be on us to make it, and a server of old would die of another kind.
    private func declareExchange(
        _ wanted: BrokerObjects.Exchange,
        _ connection: RabbitConnection
    ) throws(LinkError) -> BrokerObjects.Exchange {
        let channel = RabbitConnection.sending
        for kind in wanted.alternatives {
            guard case .channelClosed(let code, let text) = try declareExchange(kind, isPassive: false, connection)
            else { return kind }
            try connection.openChannel(channel, again: true)
            // 406: it exists and differs. 403: we may not declare it, so it had better exist.
            if code == Self.accessRefused { break }
            guard code == Self.preconditionFailed else {
                throw LinkError("the exchange \(settings.exchange) cannot be declared: \(text)", .denied)
            }
        }
        guard case .channelClosed(_, let text) = try declareExchange(wanted, isPassive: true, connection) else {
            return wanted
        }
        try connection.openChannel(channel, again: true)
        throw LinkError("the exchange \(settings.exchange) cannot be used: \(text)", .denied)
    }

    private func declareExchange(
        _ kind: BrokerObjects.Exchange,
        isPassive: Bool,
        _ connection: RabbitConnection
    ) throws(LinkError) -> RabbitConnection.Answer {
        let arena = AMQPArena()
        amqp_exchange_declare(
            connection.state,
            RabbitConnection.sending,
            arena.bytes(settings.exchange),
            arena.bytes("topic"),
            isPassive ? 1 : 0,
            kind.isDurable ? 1 : 0,
            kind.isAutoDeleted ? 1 : 0,
            0,
            amqp_table_t()
        )
        return try connection.answer()
    }

    // MARK: The reply queue

    private func declareReplyQueue(_ wanted: String, _ connection: RabbitConnection) throws(LinkError) -> String {
        guard case .channelClosed(let code, let text) = try declareQueue(connection, wanted) else { return wanted }
        try connection.openChannel(RabbitConnection.receiving, again: true)
        switch code {
        case Self.preconditionFailed, Self.resourceLocked:
            // A fixed name may be that of a queue from before the options were changed.
            if wanted == settings.replyQueue.fixedName, try deleteUnusedQueue(connection, wanted),
                try isDeclared(connection, wanted)
            {
                return wanted
            }
            let fresh = MessagingSettings.ReplyQueue.randomName()
            if case .channelClosed(_, let text) = try declareQueue(connection, fresh) {
                throw Self.noQueue(fresh, text)
            }
            return fresh
        case Self.notFound:
            // The node that has it is down: have it made anew on another one.
            try deleteQueue(connection, wanted)
            if case .channelClosed(_, let text) = try declareQueue(connection, wanted) {
                throw Self.noQueue(wanted, text)
            }
            return wanted
        default:
            throw Self.noQueue(wanted, text)
        }
    }

    private static func noQueue(_ name: String, _ text: String) -> LinkError {
        LinkError("the queue \(name) cannot be declared: \(text)", .denied)
    }

    /// - Returns: whether it is worth declaring it again.
    private func deleteUnusedQueue(_ connection: RabbitConnection, _ name: String) throws(LinkError) -> Bool {
        // Not by the flag `if-unused` of queue.delete: for a quorum queue RabbitMQ ends the whole connection over it.
        let arena = AMQPArena()
        let ok = amqp_queue_declare(
            connection.state,
            RabbitConnection.receiving,
            arena.bytes(name),
            1,
            0,
            0,
            0,
            amqp_table_t()
        )
        guard case .done = try connection.answer() else {
            try connection.openChannel(RabbitConnection.receiving, again: true)
            return false
        }
        guard ok?.pointee.consumer_count == 0 else { return false }
        try deleteQueue(connection, name)
        return true
    }

    private func deleteQueue(_ connection: RabbitConnection, _ name: String) throws(LinkError) {
        let arena = AMQPArena()
        amqp_queue_delete(connection.state, RabbitConnection.receiving, arena.bytes(name), 0, 0)
        if case .channelClosed = try connection.answer() {
            try connection.openChannel(RabbitConnection.receiving, again: true)
        }
    }

    private func isDeclared(_ connection: RabbitConnection, _ name: String) throws(LinkError) -> Bool {
        if case .done = try declareQueue(connection, name) { return true }
        try connection.openChannel(RabbitConnection.receiving, again: true)
        return false
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

extension BrokerObjects.Exchange {
    /// All kinds there are, this one first and its other durability next.
    var alternatives: [Self] {
        [isAutoDeleted, !isAutoDeleted].flatMap { isAutoDeleted in
            [isDurable, !isDurable].map { Self(isDurable: $0, isAutoDeleted: isAutoDeleted) }
        }
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
