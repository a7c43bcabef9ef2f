import Glibc
import Logging
import RelayLoop

/// The bus's thread: connects, sends, receives, and connects again.
///
/// librabbitmq's calls block, so they must not run on a thread of the concurrency runtime.
struct BusWorker {
    private let bus: MessageBus
    private let connector: any BrokerConnector
    private let settings: MessagingSettings
    private let logger: Logger
    private var rotation: BrokerRotation
    private var replyQueue: String
    private var hasBeenConnected = false
    /// Whether the last failure ended a connection that stood.
    private var isLost = false
    private var generator = SystemRandomNumberGenerator()

    /// Longest time without a look at the connection: heartbeats are sent at such a look, and two of them fit between
    /// two heartbeats.
    private var lookInterval: Duration {
        settings.heartbeatTimeout > .zero ? min(.seconds(5), settings.heartbeatTimeout / 8) : .seconds(5)
    }

    static func start(_ bus: MessageBus, _ connector: any BrokerConnector) throws(MessagingError) {
        do {
            try LoopThread.start(name: "message-bus") {
                Self.blockPipeSignal()
                var worker = BusWorker(bus, connector)
                worker.run()
                bus.workerEnded()
            }
        } catch {
            throw MessagingError(.misconfigured, "The message bus gets no thread: \(error).")
        }
    }

    /// A broker that is gone must be an error code of the next write, whatever way the library writes.
    private static func blockPipeSignal() {
        var signals = sigset_t()
        sigemptyset(&signals)
        sigaddset(&signals, SIGPIPE)
        pthread_sigmask(SIG_BLOCK, &signals, nil)
    }

    private init(_ bus: MessageBus, _ connector: any BrokerConnector) {
        self.bus = bus
        self.connector = connector
        settings = bus.settings
        logger = bus.logger
        rotation = BrokerRotation(settings.brokers, retry: settings.retry, using: &generator)
        replyQueue = settings.replyQueue.fixedName ?? "reply_\(MessageID())"
    }

    private mutating func run() {
        while !bus.isStopped {
            let broker = rotation.current
            do throws(LinkError) {
                try session(with: broker)
            } catch {
                guard !bus.isStopped else { return }
                // The time that a cluster needs after it has lost a node.
                let delay = isLost ? settings.retry.delay + randomPart(of: settings.retry.splay) : .zero
                let wait = max(delay, rotation.failed(using: &generator))
                isLost = false
                disconnected(from: broker, error, wait)
                pause(wait)
            }
        }
    }

    /// One connection from login to good-bye, which comes only when the bus is stopped.
    private mutating func session(with broker: MessagingSettings.Broker) throws(LinkError) {
        let link = try connector.connect(to: broker, replyQueue: replyQueue)
        replyQueue = link.replyQueue
        connected(to: broker)
        do throws(LinkError) {
            try serve(link)
        } catch {
            link.abandon()
            bus.connectionLost()
            isLost = true
            throw error
        }
        link.close(deletesQueue: deletesQueue)
    }

    /// A server that finds no queue for its reply tries for a minute, so the queue is left to replies that may still
    /// come, unless it would then stay for ever.
    private var deletesQueue: Bool {
        let queue = settings.replyQueue
        return queue.fixedName == nil && (!bus.leavesReplies || queue.lifetimeSeconds == 0)
    }

    // MARK: One connection

    private func serve(_ link: any BrokerLink) throws(LinkError) {
        /// Sent and not yet confirmed.
        var unconfirmed: [UInt64: MessageID] = [:]
        var isBlocked = false
        while !bus.isStopped {
            // Before the queue is looked at, so that what is queued later wakes the wait below.
            bus.wakeUp.reset()
            while !isBlocked, let message = bus.nextMessage() {
                if let tag = try publish(message, link) { unconfirmed[tag] = message.id }
            }
            while let event = try link.nextEvent() {
                try handle(event, link, &unconfirmed, &isBlocked)
            }
            // A refused message, or one held back until now, is queued again.
            if bus.isStopped || (!isBlocked && bus.hasQueued) { continue }
            link.wait(orUntilReadable: bus.wakeUp.descriptor, atMost: lookInterval)
        }
    }

    private func publish(_ message: MessageBook.Message, _ link: any BrokerLink) throws(LinkError) -> UInt64? {
        let left = message.useless - bus.time
        // Its timer ends it or moves it on in a moment.
        guard left > .zero else { return nil }
        let request = RequestMessage(
            method: message.method,
            reply: message.isCall ? (message.id, link.replyQueue) : nil,
            context: message.context
        )
        let body: [UInt8]
        do throws(MessagingError) {
            body = try request.body(uniqueID: MessageID())
        } catch {
            bus.finish(message.id, .failure(error))
            return nil
        }
        return try link.publish(
            Publication(
                exchange: settings.exchange,
                routingKey: message.topic,
                messageID: message.id,
                // Reports outlive an absence of the server, as Neutron's own do.
                expiration: message.isCall ? max(Int(left.pollMilliseconds), 1) : nil,
                body: body
            )
        )
    }

    private func handle(
        _ event: LinkEvent,
        _ link: any BrokerLink,
        _ unconfirmed: inout [UInt64: MessageID],
        _ isBlocked: inout Bool
    ) throws(LinkError) {
        switch event {
        case .delivered(let tag, let body, let compression):
            // First of all, so that no reply can stay in the queue and come again for ever.
            try link.acknowledge(tag)
            receive(body, compression)
        case .confirmed(let tag, let multiple):
            for id in Self.take(tag, multiple, &unconfirmed) { bus.confirmed(id) }
        case .refused(let tag, let multiple):
            for id in Self.take(tag, multiple, &unconfirmed) {
                logger.warning("The broker could not take a message, sending it again", metadata: ["msg_id": "\(id)"])
                bus.refused(id)
            }
        case .returned(let id, let reason):
            bus.unroutable(id, reason)
        case .blocked(let reason):
            isBlocked = true
            logger.error("The broker has blocked the connection: \(reason)")
            bus.away(
                MessagingError(.blocked, "The broker has blocked the connection: \(reason). Free its memory or disk.")
            )
        case .unblocked:
            isBlocked = false
            logger.info("The broker has unblocked the connection")
            bus.connected()
        }
    }

    private func receive(_ body: [UInt8]?, _ compression: String?) {
        guard let body else {
            logger.error("Reply larger than \(settings.replyBytesMax) bytes, dropped")
            return
        }
        do throws(MessagingError) {
            let plain =
                try compression.map { type throws(MessagingError) in
                    try Compression.removed(type, from: body, bytesMax: settings.replyBytesMax)
                } ?? body
            bus.received(try ReplyMessage(body: plain))
        } catch {
            logger.error("Reply dropped: \(error.message)", metadata: ["bytes": "\(body.count)"])
        }
    }

    private static func take(
        _ tag: UInt64,
        _ multiple: Bool,
        _ unconfirmed: inout [UInt64: MessageID]
    ) -> [MessageID] {
        guard multiple else { return unconfirmed.removeValue(forKey: tag).map { [$0] } ?? [] }
        let tags = unconfirmed.keys.filter { $0 <= tag }.sorted()
        return tags.compactMap { unconfirmed.removeValue(forKey: $0) }
    }

    // MARK: Between connections

    private mutating func connected(to broker: MessagingSettings.Broker) {
        rotation.succeeded()
        bus.connected()
        logger.info(
            "\(hasBeenConnected ? "Reconnected" : "Connected") to AMQP server on \(broker.address)",
            metadata: ["reply_queue": "\(replyQueue)"]
        )
        hasBeenConnected = true
    }

    private func disconnected(from broker: MessagingSettings.Broker, _ error: LinkError, _ wait: Duration) {
        let text = error.text
        if error.isRefusal {
            logger.error(
                """
                AMQP server on \(broker.address) closed the connection. Check login credentials and virtual host: \
                \(text). Trying again in \(wait.inSeconds) seconds.
                """
            )
        } else {
            logger.error(
                "AMQP server on \(broker.address) is unreachable: \(text). Trying again in \(wait.inSeconds) seconds."
            )
        }
        bus.away(
            MessagingError(
                error.isRefusal ? .refused : .unreachable,
                error.isRefusal
                    ? "The AMQP server on \(broker.address) refuses the login: \(text). Check transport_url."
                    : "The AMQP server on \(broker.address) is unreachable: \(text)."
            )
        )
    }

    /// Waits before the next try. A guest that asks meanwhile shortens the wait to the shortest one: the broker may
    /// be back, and the guest cannot wait for long. State reports do not, or a thousand idle agents would press upon
    /// a broker that starts.
    private func pause(_ wait: Duration) {
        let start = bus.time
        var isWanted = false
        while !bus.isStopped {
            isWanted = bus.takeDemand() || isWanted
            let elapsed = bus.time - start
            let whole = isWanted ? min(wait, settings.retry.first) : wait
            guard elapsed < whole else { return }
            bus.wakeUp.wait(atMost: whole - elapsed)
        }
    }

    private mutating func randomPart(of splay: Duration) -> Duration {
        guard splay > .zero else { return .zero }
        return splay * Double.random(in: 0...1, using: &generator)
    }
}

extension MessagingSettings.Broker {
    /// For log lines.
    var address: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
