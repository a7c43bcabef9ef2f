import CRabbitMQ
import Glibc

/// A connection of librabbitmq's, with its errors as Swift errors. For one thread.
final class RabbitConnection {
    let state: amqp_connection_state_t
    private var isDestroyed = false

    /// Requests go out on one channel and replies come in on the other, so that an error on one side says which.
    static let sending: amqp_channel_t = 1
    static let receiving: amqp_channel_t = 2

    init() throws(LinkError) {
        guard let state = amqp_new_connection() else { throw LinkError("out of memory") }
        self.state = state
    }

    deinit {
        destroy()
    }

    func destroy() {
        guard !isDestroyed else { return }
        isDestroyed = true
        amqp_destroy_connection(state)
    }

    static func reason(_ status: CInt) -> String {
        String(cString: amqp_error_string2(status))
    }

    func check(_ status: CInt) throws(LinkError) {
        guard status == AMQP_STATUS_OK.rawValue else { throw Self.error(status) }
    }

    static func error(_ status: CInt) -> LinkError {
        switch amqp_status_enum(rawValue: status) {
        case AMQP_STATUS_CONNECTION_CLOSED, AMQP_STATUS_SOCKET_CLOSED: LinkError("the connection was closed")
        case AMQP_STATUS_HEARTBEAT_TIMEOUT: LinkError("no heartbeat in time")
        case AMQP_STATUS_SOCKET_ERROR: LinkError(errno == 0 ? reason(status) : String(cString: strerror(errno)))
        default: LinkError(reason(status))
        }
    }

    /// How the broker answered a synchronous method.
    enum Answer {
        case done
        /// The broker has closed the channel: 403, 404, 405 or 406, and its sentence.
        case channelClosed(code: Int, text: String)
    }

    /// The answer to the method just called.
    ///
    /// - Throws: if the connection is at its end.
    func answer() throws(LinkError) -> Answer {
        let reply = amqp_get_rpc_reply(state)
        switch reply.reply_type {
        case AMQP_RESPONSE_NORMAL: return .done
        case AMQP_RESPONSE_LIBRARY_EXCEPTION: throw Self.error(reply.library_error)
        case AMQP_RESPONSE_SERVER_EXCEPTION:
            if let close = channelClose(reply.reply) { return close }
            throw connectionClose(reply.reply)
        default: throw LinkError("the connection was closed")
        }
    }

    private func channelClose(_ method: amqp_method_t) -> Answer? {
        guard method.id == amqp_method_number_t(AMQP_CHANNEL_CLOSE_METHOD), let decoded = method.decoded else {
            return nil
        }
        let close = decoded.assumingMemoryBound(to: amqp_channel_close_t.self).pointee
        return .channelClosed(code: Int(close.reply_code), text: close.reply_text.text)
    }

    /// Answers the broker's good-bye.
    func connectionClose(_ method: amqp_method_t) -> LinkError {
        guard method.id == amqp_method_number_t(AMQP_CONNECTION_CLOSE_METHOD), let decoded = method.decoded else {
            return LinkError("the broker sent an unexpected method")
        }
        let close = decoded.assumingMemoryBound(to: amqp_connection_close_t.self).pointee
        let text = close.reply_text.text
        let code = Int(close.reply_code)
        var ok = amqp_connection_close_ok_t()
        amqp_send_method(state, 0, amqp_method_number_t(AMQP_CONNECTION_CLOSE_OK_METHOD), &ok)
        // 403: user or password; 530: the virtual host.
        return LinkError(
            text.isEmpty ? "closed with code \(code)" : text,
            code == 403 || code == 530 ? .loginRefused : .lost
        )
    }

    /// Opens a channel, again after the broker has closed it.
    func openChannel(_ channel: amqp_channel_t, again: Bool = false) throws(LinkError) {
        if again {
            var ok = amqp_channel_close_ok_t()
            try check(amqp_send_method(state, channel, amqp_method_number_t(AMQP_CHANNEL_CLOSE_OK_METHOD), &ok))
        }
        amqp_channel_open(state, channel)
        if case .channelClosed(_, let text) = try answer() { throw LinkError("no channel: \(text)") }
    }
}
