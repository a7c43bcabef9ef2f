import COpenSSL

/// A TLS session to resume, safe to hand between threads.
///
/// Sendable although it holds a pointer: nobody else has this copy, it is never changed, and all that is done
/// with it is copying it again, which reads it only (the argument of `SSL_SESSION_dup` is const).
final class TLSSession: @unchecked Sendable {
    private let pointer: OpaquePointer

    /// A copy of the session of `connection`. Nil if there is none that can be resumed.
    ///
    /// Under TLS 1.3 there is one only after the server's tickets were read, hence at the end of a connection
    /// and not after its handshake.
    init?(of connection: OpaquePointer) {
        guard let used = SSL_get1_session(connection) else { return nil }
        defer { SSL_SESSION_free(used) }
        guard SSL_SESSION_is_resumable(used) == 1, let copy = SSL_SESSION_dup(used) else { return nil }
        pointer = copy
    }

    deinit {
        SSL_SESSION_free(pointer)
    }

    /// Has `connection` offer this session. One it cannot use only means a full handshake.
    func resume(on connection: OpaquePointer) {
        // A connection changes its session (a new ticket, a failed resumption), so each gets its own copy.
        guard let copy = SSL_SESSION_dup(pointer) else { return }
        SSL_set_session(connection, copy)
        SSL_SESSION_free(copy)
    }
}
