/// One open connection to a broker: all that the bus wants from an AMQP library.
///
/// Used by one thread, the bus's own. Any error ends the connection; the bus opens another one.
protocol BrokerLink: AnyObject {
    /// What this connection uses on the broker: as it was wanted, or as it was found.
    var objects: BrokerObjects { get }

    /// Sends one message and returns at once.
    ///
    /// - Returns: the number by which `.confirmed` and `.rejected` name it, counted from 1.
    func publish(_ publication: Publication) throws(LinkError) -> UInt64

    /// Tells the broker that a delivered message is taken.
    func acknowledge(_ deliveryTag: UInt64) throws(LinkError)

    /// What has arrived, without waiting; nil if nothing has.
    func nextEvent() throws(LinkError) -> LinkEvent?

    /// Waits until something arrives, or `wakeUp` becomes readable, or the time is up.
    func wait(orUntilReadable wakeUp: CInt, atMost time: Duration)

    /// Says good-bye and frees everything. Nothing may be called afterwards.
    ///
    /// - Parameter deletesQueue: no reply is expected any more, and the queue's name will not be used again.
    func close(deletesQueue: Bool)

    /// Frees everything without a word, because the connection is broken. Nothing may be called afterwards.
    func abandon()
}

/// Opens connections.
protocol BrokerConnector: Sendable {
    /// Connects, logs in, declares the exchange and the reply queue, and starts consuming. Blocks the thread for
    /// as long as the settings allow.
    ///
    /// - Parameter wanted: the link's own may differ, if the broker has others already.
    func connect(to broker: MessagingSettings.Broker, wanting wanted: BrokerObjects) throws(LinkError) -> any BrokerLink
}

/// What the bus uses on the broker, and the server too: whoever comes first decides of what kind they are.
struct BrokerObjects: Sendable, Equatable {
    struct Exchange: Sendable, Equatable {
        /// `amqp_durable_queues` or `rabbit_quorum_queue`.
        var isDurable: Bool
        /// `amqp_auto_delete`.
        var isAutoDeleted: Bool
    }

    var replyQueue: String
    var exchange: Exchange
}

/// A message to send.
struct Publication: Sendable {
    var exchange: String
    var routingKey: String
    /// Comes back with `.returned`.
    var messageID: MessageID
    /// Milliseconds after which the broker drops the message if nobody took it; nil keeps it.
    var expiration: Int?
    var body: [UInt8]
}

enum LinkEvent: Sendable, Equatable {
    /// A message for us. `body` is nil if it was larger than allowed; acknowledge it all the same. `compression` is the
    /// header of that name.
    case delivered(tag: UInt64, body: [UInt8]?, compression: String? = nil)
    /// The broker has the message, or all up to it.
    case confirmed(tag: UInt64, multiple: Bool)
    /// The broker could not take the message, or all up to it.
    case rejected(tag: UInt64, multiple: Bool)
    /// No queue is bound for the message. Its confirmation follows.
    case returned(messageID: MessageID, reason: String)
    /// The broker takes no messages for now.
    case blocked(reason: String)
    case unblocked
}

/// A connection could not be made or has ended.
struct LinkError: Error, Sendable, Equatable {
    enum Kind: Sendable {
        /// The broker cannot be reached, or has gone.
        case lost
        /// The broker is there and refuses our credentials or virtual host.
        case loginRefused
        /// The broker has let us in, and does not let us have what the bus needs.
        case denied
    }

    var kind: Kind
    var text: String

    init(_ text: String, _ kind: Kind = .lost) {
        self.text = text
        self.kind = kind
    }
}
