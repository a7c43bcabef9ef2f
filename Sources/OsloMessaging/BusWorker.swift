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
    /// What the next connection looks for on the broker: as configured at first, and then as found.
    private var objects: BrokerObjects
    private var rejections = RepeatedLine()
    private var hasBeenConnected = false
    /// Whether the last failure ended a connection that stood.
    private var isLost = false
    private var generator = SystemRandomNumberGenerator()

    /// Longest time without a look at the connection, by which the silence of the broker is noticed.
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
        objects = BrokerObjects(
            replyQueue: settings.replyQueue.fixedName ?? MessagingSettings.ReplyQueue.randomName(),
            exchange: settings.exchangeKind
        )
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
        let link = try connector.connect(to: broker, wanting: objects)
        tellWhatDiffers(link.objects)
        objects = link.objects
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
        return objects.replyQueue != queue.fixedName && (!bus.leavesReplies || queue.lifetimeSeconds == 0)
    }

    // MARK: One connection

    private mutating func serve(_ link: any BrokerLink) throws(LinkError) {
        var unconfirmed = UnconfirmedMessages(countMax: settings.unconfirmedMax)
        var isBlocked = false
        while !bus.isStopped {
            // Before the queue is looked at, so that what is queued later wakes the wait below.
            bus.wakeUp.reset()
            while !isBlocked, let message = bus.nextMessage() {
                if let tag = try publish(message, link) { unconfirmed.add(message.id, tag: tag) }
            }
            while let event = try link.nextEvent() {
                try handle(event, link, &unconfirmed, &isBlocked)
            }
            // One that was held back until now is queued still.
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
            reply: message.isCall ? (message.id, link.objects.replyQueue) : nil,
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

    private mutating func handle(
        _ event: LinkEvent,
        _ link: any BrokerLink,
        _ unconfirmed: inout UnconfirmedMessages,
        _ isBlocked: inout Bool
    ) throws(LinkError) {
        switch event {
        case .delivered(let tag, let body, let compression):
            // First of all, so that no reply can stay in the queue and come again for ever.
            try link.acknowledge(tag)
            receive(body, compression)
        case .confirmed(let tag, let multiple):
            for id in unconfirmed.take(tag, andAllBefore: multiple) { bus.confirmed(id) }
        case .rejected(let tag, let multiple):
            for id in unconfirmed.take(tag, andAllBefore: multiple) {
                if let repeated = rejections.due(at: bus.time) {
                    logger.warning(
                        "The broker could not take a message",
                        metadata: ["msg_id": "\(id)", "repeated": "\(repeated)"]
                    )
                }
                bus.rejected(id)
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

    // MARK: Between connections

    private mutating func connected(to broker: MessagingSettings.Broker) {
        rotation.succeeded()
        bus.connected()
        logger.info(
            "\(hasBeenConnected ? "Reconnected" : "Connected") to AMQP server on \(broker.address)",
            metadata: ["reply_queue": "\(objects.replyQueue)"]
        )
        hasBeenConnected = true
    }

    /// Once for each difference, and not at every reconnection: from then on the bus wants what it has found.
    private func tellWhatDiffers(_ found: BrokerObjects) {
        if found.exchange != objects.exchange, found.exchange != settings.exchangeKind {
            logger.warning(
                """
                The exchange \(settings.exchange) is not as amqp_durable_queues, rabbit_quorum_queue and \
                amqp_auto_delete have it, and is used as it is
                """,
                metadata: [
                    "durable": "\(found.exchange.isDurable)", "auto_delete": "\(found.exchange.isAutoDeleted)",
                ]
            )
        }
        if found.replyQueue != objects.replyQueue {
            logger.warning(
                "The broker has another queue of that name, replies come to a new one",
                metadata: ["name": "\(objects.replyQueue)", "reply_queue": "\(found.replyQueue)"]
            )
        }
    }

    private func disconnected(from broker: MessagingSettings.Broker, _ error: LinkError, _ wait: Duration) {
        let text = error.text
        let server = "AMQP server on \(broker.address)"
        let again = "Trying again in \(wait.inSeconds) seconds."
        switch error.kind {
        case .lost:
            logger.error("\(server) is unreachable: \(text). \(again)")
            bus.away(MessagingError(.unreachable, "The \(server) is unreachable: \(text)."))
        case .loginRefused:
            logger.error(
                "\(server) closed the connection. Check login credentials and virtual host: \(text). \(again)"
            )
            bus.away(MessagingError(.refused, "The \(server) refuses the login: \(text). Check transport_url."))
        case .denied:
            logger.error("\(server) denies what the agent needs: \(text). \(again)")
            bus.away(
                MessagingError(
                    .refused,
                    "The \(server) denies what the agent needs: \(text). Check the permissions of its user there."
                )
            )
        }
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
