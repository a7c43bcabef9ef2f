import COpenSSL
import Glibc

/// The socket under one TLS connection, as OpenSSL's BIO.
///
/// OpenSSL's own socket BIO (`SSL_set_fd`) sends with write(2), which raises SIGPIPE once the peer is gone and
/// would end the process unless every program ignored that signal. This one sends with `MSG_NOSIGNAL`, so
/// nothing depends on the program's signal settings. It also keeps the errno that OpenSSL would lose.
final class SocketBIO {
    /// -1 once the socket is no longer ours to touch.
    fileprivate(set) var descriptor: CInt
    /// The peer has closed its side of the TCP connection.
    fileprivate(set) var isAtEnd = false
    /// The errno of the last call that failed for good; 0 before.
    fileprivate(set) var failureCode: CInt = 0

    init(descriptor: CInt) {
        self.descriptor = descriptor
    }

    /// Forgets the socket, so that freeing the connection cannot write to a descriptor that may meanwhile be
    /// somebody else's.
    func detach() {
        descriptor = -1
    }

    /// A new BIO over this socket, owned by the caller. It does not keep `self` alive: the connection that
    /// owns the BIO must, until it has freed it. Nil if memory is out.
    func makeBIO() -> OpaquePointer? {
        guard let method = Self.method.pointer, let bio = BIO_new(method) else { return nil }
        BIO_set_data(bio, Unmanaged.passUnretained(self).toOpaque())
        BIO_set_init(bio, 1)
        return bio
    }

    fileprivate static func of(_ bio: OpaquePointer?) -> SocketBIO? {
        guard let bio, let data = BIO_get_data(bio) else { return nil }
        return Unmanaged<SocketBIO>.fromOpaque(data).takeUnretainedValue()
    }

    /// Sendable although it holds a pointer: the table is filled before anybody can see it (a `static let` is
    /// made once, under a lock) and only read afterwards. It lives as long as the process.
    private struct Method: @unchecked Sendable {
        let pointer: OpaquePointer?
    }

    private static let method: Method = {
        let type = BIO_get_new_index() | BIO_TYPE_SOURCE_SINK | BIO_TYPE_DESCRIPTOR
        guard let method = BIO_meth_new(type, "bellhop socket") else { return Method(pointer: nil) }
        BIO_meth_set_read(method) { bio, buffer, count in SocketBIO.read(bio, buffer, count) }
        BIO_meth_set_write(method) { bio, bytes, count in SocketBIO.write(bio, bytes, count) }
        BIO_meth_set_ctrl(method) { bio, command, _, _ in SocketBIO.control(bio, command) }
        return Method(pointer: method)
    }()
}

extension SocketBIO {
    fileprivate static func read(_ bio: OpaquePointer?, _ buffer: UnsafeMutablePointer<CChar>?, _ count: CInt) -> CInt {
        guard let socket = of(bio), let buffer, count > 0 else { return -1 }
        cnova_clear_retry(bio)
        while true {
            let got = recv(socket.descriptor, buffer, Int(count), 0)
            if got > 0 { return CInt(got) }
            if got == 0 {
                socket.isAtEnd = true
                return 0
            }
            switch errno {
            case EINTR: continue
            case EAGAIN, EWOULDBLOCK: cnova_set_retry_read(bio)
            case let code: socket.failureCode = code
            }
            return -1
        }
    }

    fileprivate static func write(_ bio: OpaquePointer?, _ bytes: UnsafePointer<CChar>?, _ count: CInt) -> CInt {
        guard let socket = of(bio), let bytes, count > 0 else { return -1 }
        cnova_clear_retry(bio)
        while true {
            let sent = send(socket.descriptor, bytes, Int(count), CInt(MSG_NOSIGNAL))
            if sent >= 0 { return CInt(sent) }
            switch errno {
            case EINTR: continue
            case EAGAIN, EWOULDBLOCK: cnova_set_retry_write(bio)
            case let code: socket.failureCode = code
            }
            return -1
        }
    }

    /// OpenSSL asks whether the end was reached to tell a cut from a failed read; flushing is a no-op on a
    /// socket; every other question gets "no".
    fileprivate static func control(_ bio: OpaquePointer?, _ command: CInt) -> CLong {
        switch command {
        case BIO_CTRL_EOF: of(bio)?.isAtEnd == true ? 1 : 0
        case BIO_CTRL_FLUSH: 1
        default: 0
        }
    }
}
