import CRabbitMQ
import Glibc

/// A connection that is logged in and consumes: librabbitmq behind the bus's protocol.
final class RabbitLink: BrokerLink {
    let objects: BrokerObjects

    private let connection: RabbitConnection
    private let bodyBytesMax: Int
    private var heartbeats: HeartbeatSchedule
    private var published: UInt64 = 0
    /// The message that arrives on each channel, which comes in parts.
    private var arriving: [amqp_channel_t: ArrivingMessage] = [:]

    init(_ connection: RabbitConnection, _ objects: BrokerObjects, _ settings: MessagingSettings) {
        self.connection = connection
        self.objects = objects
        bodyBytesMax = settings.replyBytesMax
        heartbeats = HeartbeatSchedule(interval: settings.heartbeatInterval, from: .now)
    }

    func publish(_ publication: Publication) throws(LinkError) -> UInt64 {
        let arena = AMQPArena()
        var properties = amqp_basic_properties_t()
        properties._flags = UInt32(
            AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_CONTENT_ENCODING_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG
                | AMQP_BASIC_PRIORITY_FLAG | AMQP_BASIC_MESSAGE_ID_FLAG
        )
        properties.content_type = arena.bytes("application/json")
        properties.content_encoding = arena.bytes("utf-8")
        properties.delivery_mode = 2
        properties.priority = 0
        properties.message_id = arena.bytes(publication.messageID.description)
        if let expiration = publication.expiration {
            properties._flags |= UInt32(AMQP_BASIC_EXPIRATION_FLAG)
            properties.expiration = arena.bytes(String(expiration))
        }
        // Mandatory, unlike the reference: a topic nobody listens on is known at once, and not after a timeout.
        try connection.check(
            amqp_basic_publish(
                connection.state,
                RabbitConnection.sending,
                arena.bytes(publication.exchange),
                arena.bytes(publication.routingKey),
                1,
                0,
                &properties,
                arena.bytes(publication.body)
            )
        )
        published += 1
        return published
    }

    func acknowledge(_ deliveryTag: UInt64) throws(LinkError) {
        try connection.check(amqp_basic_ack(connection.state, RabbitConnection.receiving, deliveryTag, 0))
    }

    func wait(orUntilReadable wakeUp: CInt, atMost time: Duration) {
        // Bytes that the library or TLS holds already would not make the socket readable; `nextEvent` has drained
        // both, because it reads until nothing is left.
        var entries = [
            pollfd(fd: amqp_get_sockfd(connection.state), events: Int16(POLLIN), revents: 0),
            pollfd(fd: wakeUp, events: Int16(POLLIN), revents: 0),
        ]
        _ = poll(&entries, 2, heartbeats.limit(time, at: .now).pollMilliseconds)
    }

    func close(deletesQueue: Bool) {
        var timeout = Duration.milliseconds(500).timeValue
        amqp_set_rpc_timeout(connection.state, &timeout)
        let arena = AMQPArena()
        if deletesQueue {
            amqp_queue_delete(connection.state, RabbitConnection.receiving, arena.bytes(objects.replyQueue), 0, 0)
        }
        amqp_connection_close(connection.state, AMQP_REPLY_SUCCESS)
        connection.destroy()
    }

    func abandon() {
        connection.destroy()
    }

    // MARK: Receiving

    func nextEvent() throws(LinkError) -> LinkEvent? {
        if heartbeats.isDue(at: .now) { try sendHeartbeat() }
        while true {
            var frame = amqp_frame_t()
            var noTime = timeval()
            let status = amqp_simple_wait_frame_noblock(connection.state, &frame, &noTime)
            if status == AMQP_STATUS_TIMEOUT.rawValue { return nil }
            try connection.check(status)
            // Everything of use is copied out before the library takes its buffers back.
            defer { amqp_maybe_release_buffers(connection.state) }
            if let event = try event(frame) { return event }
        }
    }

    private func sendHeartbeat() throws(LinkError) {
        var frame = amqp_frame_t()
        frame.frame_type = UInt8(AMQP_FRAME_HEARTBEAT)
        frame.channel = 0
        try connection.check(amqp_send_frame(connection.state, &frame))
        heartbeats.sent(at: .now)
    }

    private func event(_ frame: amqp_frame_t) throws(LinkError) -> LinkEvent? {
        switch CInt(frame.frame_type) {
        case CInt(AMQP_FRAME_METHOD): return try event(frame.payload.method, frame.channel)
        case CInt(AMQP_FRAME_HEADER):
            guard var message = arriving[frame.channel] else { throw LinkError("the broker sent a header unasked") }
            let properties = frame.payload.properties
            message.begin(
                size: properties.body_size,
                messageID: Self.messageID(properties.decoded),
                compression: Self.compression(properties.decoded)
            )
            return advance(message, on: frame.channel)
        case CInt(AMQP_FRAME_BODY):
            guard var message = arriving[frame.channel] else { throw LinkError("the broker sent a body unasked") }
            message.append(frame.payload.body_fragment.array)
            return advance(message, on: frame.channel)
        default: return nil
        }
    }

    private func advance(_ message: ArrivingMessage, on channel: amqp_channel_t) -> LinkEvent? {
        arriving[channel] = message.isComplete ? nil : message
        return message.isComplete ? message.event : nil
    }

    private static func messageID(_ decoded: UnsafeMutableRawPointer?) -> String {
        guard let properties = decoded?.assumingMemoryBound(to: amqp_basic_properties_t.self).pointee,
            properties._flags & UInt32(AMQP_BASIC_MESSAGE_ID_FLAG) != 0
        else { return "" }
        return properties.message_id.text
    }

    /// The header by which kombu says that a body is compressed.
    private static func compression(_ decoded: UnsafeMutableRawPointer?) -> String? {
        guard let properties = decoded?.assumingMemoryBound(to: amqp_basic_properties_t.self).pointee,
            properties._flags & UInt32(AMQP_BASIC_HEADERS_FLAG) != 0
        else { return nil }
        let headers = UnsafeBufferPointer(start: properties.headers.entries, count: Int(properties.headers.num_entries))
        guard let entry = headers.first(where: { $0.key.text == "compression" }),
            entry.value.kind == UInt8(AMQP_FIELD_KIND_UTF8.rawValue)
        else { return nil }
        return entry.value.value.bytes.text
    }

    private func event(_ method: amqp_method_t, _ channel: amqp_channel_t) throws(LinkError) -> LinkEvent? {
        guard let decoded = method.decoded else { return nil }
        switch method.id {
        case AMQP_BASIC_DELIVER_METHOD:
            let tag = decoded.assumingMemoryBound(to: amqp_basic_deliver_t.self).pointee.delivery_tag
            arriving[channel] = ArrivingMessage(.delivery(tag: tag), bytesMax: bodyBytesMax)
            return nil
        case AMQP_BASIC_RETURN_METHOD:
            let reason = decoded.assumingMemoryBound(to: amqp_basic_return_t.self).pointee.reply_text.text
            arriving[channel] = ArrivingMessage(.returned(reason: reason), bytesMax: 0)
            return nil
        case AMQP_BASIC_ACK_METHOD:
            let ack = decoded.assumingMemoryBound(to: amqp_basic_ack_t.self).pointee
            return .confirmed(tag: ack.delivery_tag, multiple: ack.multiple != 0)
        case AMQP_BASIC_NACK_METHOD:
            let nack = decoded.assumingMemoryBound(to: amqp_basic_nack_t.self).pointee
            return .rejected(tag: nack.delivery_tag, multiple: nack.multiple != 0)
        case AMQP_CONNECTION_BLOCKED_METHOD:
            return .blocked(reason: decoded.assumingMemoryBound(to: amqp_connection_blocked_t.self).pointee.reason.text)
        case AMQP_CONNECTION_UNBLOCKED_METHOD: return .unblocked
        case AMQP_BASIC_CANCEL_METHOD:
            throw LinkError("the broker has cancelled the consumer of \(objects.replyQueue)")
        case AMQP_CHANNEL_CLOSE_METHOD:
            let close = decoded.assumingMemoryBound(to: amqp_channel_close_t.self).pointee
            throw LinkError(
                "the broker has closed the channel: \(close.reply_text.text)",
                close.reply_code == RabbitTopology.accessRefused ? .denied : .lost
            )
        case AMQP_CONNECTION_CLOSE_METHOD:
            throw connection.connectionClose(method)
        default: return nil
        }
    }
}

/// A message of which the method has arrived, and the header and the body are still to come.
struct ArrivingMessage {
    enum Kind {
        case delivery(tag: UInt64)
        /// One of our own, which no queue was bound for. Its body is of no interest.
        case returned(reason: String)
    }

    private let kind: Kind
    private let bytesMax: Int
    private var size: UInt64?
    private var received: UInt64 = 0
    private var body: [UInt8] = []
    private var messageID = ""
    private var compression: String?

    init(_ kind: Kind, bytesMax: Int) {
        self.kind = kind
        self.bytesMax = bytesMax
    }

    mutating func begin(size: UInt64, messageID: String, compression: String? = nil) {
        self.size = size
        self.compression = compression
        self.messageID = messageID
        if size <= UInt64(bytesMax) { body.reserveCapacity(Int(size)) }
    }

    mutating func append(_ part: [UInt8]) {
        received += UInt64(part.count)
        if let size, size <= UInt64(bytesMax) { body += part }
    }

    var isComplete: Bool {
        guard let size else { return false }
        return received >= size
    }

    var event: LinkEvent {
        switch kind {
        case .delivery(let tag):
            .delivered(tag: tag, body: (size ?? 0) <= UInt64(bytesMax) ? body : nil, compression: compression)
        case .returned(let reason):
            .returned(messageID: MessageID(messageID), reason: reason)
        }
    }
}
