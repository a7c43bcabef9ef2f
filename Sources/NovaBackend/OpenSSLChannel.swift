import COpenSSL
import Glibc
public import RelayLoop

/// One TLS connection to Nova over a connected, non-blocking socket.
///
/// Follows `SecureChannel`'s contract with two rules of OpenSSL's own. After `write` said `.wouldBlock`, the
/// next `write` must offer the same bytes again, at the same or a new place, and may offer more behind them:
/// they are already encrypted. And bytes may wait inside although the socket is empty, so a reader goes on
/// until `.wouldBlock`, as with edge-triggered readiness anyway.
///
/// The end of the peer's data counts only when it is said in TLS (close_notify). A TCP connection that just
/// ends is `.failed`: anybody on the way could have cut it, and an answer without a length would look whole.
public final class OpenSSLChannel: SecureChannel {
    private enum State {
        case handshaking
        case open
        /// OpenSSL allows no further call but freeing (SSL_get_error(3)).
        case broken(code: CInt)
        case closed
    }

    private let connection: OpaquePointer
    private let socket: SocketBIO
    private let factory: OpenSSLChannelFactory
    private var state = State.handshaking

    /// What broke the connection, for the log; nil while it works. A server that speaks TLS 1.3 refuses a
    /// client certificate only after the handshake, so the reason can come with the first `read`.
    public private(set) var failureSentence: String?

    /// Takes over `connection`, whose BIO leads to `socket`.
    init(connection: OpaquePointer, socket: SocketBIO, factory: OpenSSLChannelFactory) {
        self.connection = connection
        self.socket = socket
        self.factory = factory
    }

    deinit {
        if case .closed = state { return }
        socket.detach()
        SSL_free(connection)
    }

    public func handshake() -> SecureHandshake {
        switch state {
        case .open: return .done
        case .broken: return .failed(failureSentence ?? "TLS failed")
        case .closed: return .failed("the TLS connection is closed")
        case .handshaking: break
        }
        OpenSSLErrorQueue.clear()
        let result = SSL_do_handshake(connection)
        if result == 1 {
            state = .open
            return .done
        }
        switch SSL_get_error(connection, result) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return .pending
        case let error: return .failed(fail(error).sentence)
        }
    }

    public func read(into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
        if let refusal { return refusal }
        guard let start = buffer.baseAddress, !buffer.isEmpty else { return .wouldBlock }
        OpenSSLErrorQueue.clear()
        var count = 0
        let result = SSL_read_ex(connection, start, buffer.count, &count)
        return result == 1 ? .bytes(count) : outcome(of: result)
    }

    public func write(_ bytes: UnsafeRawBufferPointer) -> Transfer {
        if let refusal { return refusal }
        guard let start = bytes.baseAddress, !bytes.isEmpty else { return .wouldBlock }
        OpenSSLErrorQueue.clear()
        var count = 0
        let result = SSL_write_ex(connection, start, bytes.count, &count)
        return result == 1 ? .bytes(count) : outcome(of: result)
    }

    public func shutDown() {
        switch state {
        case .closed: return
        case .open:
            // One attempt: close_notify is a courtesy that must not wait for a full socket.
            OpenSSLErrorQueue.clear()
            SSL_shutdown(connection)
            factory.keepSession(of: connection)
        case .handshaking, .broken: break
        }
        state = .closed
        socket.detach()
        SSL_free(connection)
        OpenSSLErrorQueue.clear()
    }

    /// The answer to a transfer where OpenSSL may not be asked; nil if it may.
    private var refusal: Transfer? {
        switch state {
        case .open: nil
        case .handshaking: .wouldBlock
        case .broken(let code): .failed(code: code)
        case .closed: .failed(code: EBADF)
        }
    }

    private func outcome(of result: CInt) -> Transfer {
        switch SSL_get_error(connection, result) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE:
            return .wouldBlock
        case SSL_ERROR_ZERO_RETURN:
            return .endOfStream
        case let error:
            return .failed(code: fail(error).code)
        }
    }

    /// Ends the connection's usefulness and finds out why.
    private func fail(_ error: CInt) -> TLSFault {
        let entry = OpenSSLErrorQueue.take()
        let cause: TLSFault.Cause
        if let entry, entry.library == ERR_LIB_SSL, entry.reason == SSL_R_CERTIFICATE_VERIFY_FAILED {
            cause = .certificate(code: CInt(truncatingIfNeeded: SSL_get_verify_result(connection)))
        } else if let entry, entry.library != ERR_LIB_SYS {
            // Reasons are numbered per library; only those of the SSL library are told apart later.
            let reason = entry.library == ERR_LIB_SSL ? entry.reason : 0
            let isCut = reason == SSL_R_UNEXPECTED_EOF_WHILE_READING
            cause = isCut ? .closed : .library(reason: reason, text: entry.text)
        } else if socket.failureCode != 0 {
            cause = .system(code: socket.failureCode)
        } else if socket.isAtEnd || error == SSL_ERROR_ZERO_RETURN {
            cause = .closed
        } else {
            cause = .library(reason: 0, text: entry?.text ?? "OpenSSL gives no reason")
        }
        let fault = factory.fault(cause)
        state = .broken(code: fault.code)
        failureSentence = fault.sentence
        return fault
    }
}
