import CRabbitMQ
import Glibc

/// The opening of an AMQP 0-9-1 connection: start, tune, open.
///
/// librabbitmq has a function for it, which knows PLAIN and EXTERNAL only. AMQPLAIN is oslo.messaging's default, and
/// a broker may be set to offer nothing else, so the five methods are exchanged here.
struct RabbitLogin {
    let settings: MessagingSettings
    let broker: MessagingSettings.Broker
    let connectionName: String
    let version: String

    private static let frameBytesMax: CInt = 131_072
    private static let channelMax: CInt = 2_047

    func run(on connection: RabbitConnection) throws(LinkError) {
        let state = connection.state
        var timeout = settings.loginTimeout.timeValue
        amqp_set_rpc_timeout(state, &timeout)
        let deadline = ContinuousClock.now + settings.loginTimeout

        try connection.check(amqp_send_header(state))
        let offered = try wait(connection, AMQP_CONNECTION_START_METHOD, deadline) { decoded in
            decoded.assumingMemoryBound(to: amqp_connection_start_t.self).pointee.mechanisms.text
        }
        try start(connection, offering: offered.split(separator: " ").map(String.init))
        let tune = try wait(connection, AMQP_CONNECTION_TUNE_METHOD, deadline) { decoded in
            decoded.assumingMemoryBound(to: amqp_connection_tune_t.self).pointee
        }
        try accept(connection, tune)

        let arena = AMQPArena()
        var open = amqp_connection_open_t()
        open.virtual_host = arena.bytes(settings.virtualHost)
        try connection.check(amqp_send_method(state, 0, amqp_method_number_t(AMQP_CONNECTION_OPEN_METHOD), &open))
        try wait(connection, AMQP_CONNECTION_OPEN_OK_METHOD, deadline) { _ in }
    }

    private func start(_ connection: RabbitConnection, offering mechanisms: [String]) throws(LinkError) {
        let name = settings.mechanism.rawValue
        guard mechanisms.contains(name) else {
            throw LinkError(
                "the broker does not offer \(name) but \(mechanisms.joined(separator: ", ")) (rabbit_login_method)",
                .loginRefused
            )
        }
        let arena = AMQPArena()
        var reply = amqp_connection_start_ok_t()
        reply.client_properties = arena.table([
            ("product", .string("bellhop")),
            ("version", .string(version)),
            ("platform", .string("Linux")),
            ("connection_name", .string(connectionName)),
            (
                "capabilities",
                .table([
                    ("authentication_failure_close", .boolean(true)),
                    ("basic.nack", .boolean(true)),
                    ("connection.blocked", .boolean(true)),
                    ("consumer_cancel_notify", .boolean(true)),
                    ("publisher_confirms", .boolean(true)),
                ])
            ),
        ])
        reply.mechanism = arena.bytes(name)
        reply.response = arena.bytes(response)
        reply.locale = arena.bytes("en_US")
        try connection.check(
            amqp_send_method(connection.state, 0, amqp_method_number_t(AMQP_CONNECTION_START_OK_METHOD), &reply)
        )
    }

    private var response: [UInt8] {
        switch settings.mechanism {
        case .plain: [0] + Array(broker.user.utf8) + [0] + Array(broker.password.utf8)
        case .external: []
        case .amqplain: longString("LOGIN", broker.user) + longString("PASSWORD", broker.password)
        }
    }

    /// One field of an AMQP table. AMQPLAIN's response is a table without its length in front.
    private func longString(_ name: String, _ value: String) -> [UInt8] {
        let bytes = Array(value.utf8)
        let length = withUnsafeBytes(of: UInt32(bytes.count).bigEndian) { Array($0) }
        return [UInt8(name.utf8.count)] + Array(name.utf8) + [UInt8(ascii: "S")] + length + bytes
    }

    private func accept(_ connection: RabbitConnection, _ tune: amqp_connection_tune_t) throws(LinkError) {
        var reply = amqp_connection_tune_ok_t()
        reply.channel_max = UInt16(Self.smaller(Int(tune.channel_max), Int(Self.channelMax)))
        reply.frame_max = UInt32(Self.smaller(Int(tune.frame_max), Int(Self.frameBytesMax)))
        reply.heartbeat = UInt16(clamping: Self.heartbeat(offered: Int(tune.heartbeat), settings.heartbeatTimeout))
        try connection.check(
            amqp_tune_connection(
                connection.state,
                CInt(reply.channel_max),
                CInt(clamping: reply.frame_max),
                CInt(reply.heartbeat)
            )
        )
        try connection.check(
            amqp_send_method(connection.state, 0, amqp_method_number_t(AMQP_CONNECTION_TUNE_OK_METHOD), &reply)
        )
    }

    /// Zero means "no limit" on either side.
    private static func smaller(_ one: Int, _ other: Int) -> Int {
        one == 0 ? other : other == 0 ? one : min(one, other)
    }

    /// Half of the wanted timeout: librabbitmq and RabbitMQ count the other side as lost after twice the agreed time,
    /// so `heartbeat_timeout_threshold` means what it says. RabbitMQ sends a heartbeat every half of the agreed time;
    /// librabbitmq would send one in all of it, too few to bear the loss of one, so `RabbitLink` sends more. Zero turns
    /// heartbeats off, whatever the broker offers.
    static func heartbeat(offered: Int, _ timeout: Duration) -> Int {
        guard timeout > .zero else { return 0 }
        return smaller(offered, max(Int(timeout.components.seconds) / 2, 1))
    }

    /// Waits for one method on channel 0. A broker that refuses the login closes the connection instead.
    @discardableResult
    private func wait<Value>(
        _ connection: RabbitConnection,
        _ expected: amqp_method_number_t,
        _ deadline: ContinuousClock.Instant,
        _ read: (UnsafeMutableRawPointer) -> Value
    ) throws(LinkError) -> Value {
        while true {
            var timeout = max(deadline - .now, .zero).timeValue
            var frame = amqp_frame_t()
            let status = amqp_simple_wait_frame_noblock(connection.state, &frame, &timeout)
            switch amqp_status_enum(rawValue: status) {
            case AMQP_STATUS_OK: break
            case AMQP_STATUS_TIMEOUT: throw LinkError("no AMQP answer within \(settings.loginTimeout.inSeconds) s")
            case AMQP_STATUS_CONNECTION_CLOSED, AMQP_STATUS_SOCKET_CLOSED:
                // Old brokers just hang up on wrong credentials, and all of them on TLS spoken to a plain port.
                throw LinkError("the connection was closed during the login", .loginRefused)
            default: throw RabbitConnection.error(status)
            }
            guard frame.frame_type == AMQP_FRAME_METHOD else {
                throw LinkError("the server does not speak AMQP 0-9-1")
            }
            let method = frame.payload.method
            guard method.id == expected, let decoded = method.decoded else {
                throw connection.connectionClose(method)
            }
            let value = read(decoded)
            amqp_maybe_release_buffers(connection.state)
            return value
        }
    }
}
