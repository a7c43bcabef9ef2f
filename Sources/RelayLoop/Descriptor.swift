import CEpoll
import Glibc

/// System calls on one non-blocking descriptor, with EINTR retried and errno turned into a value.
public enum Descriptor {
    public static func read(_ descriptor: CInt, into buffer: UnsafeMutableRawBufferPointer) -> Transfer {
        guard let start = buffer.baseAddress, !buffer.isEmpty else { return .wouldBlock }
        while true {
            let count = recv(descriptor, start, buffer.count, 0)
            if count > 0 { return .bytes(count) }
            if count == 0 { return .endOfStream }
            if let transfer = transfer(after: errno) { return transfer }
        }
    }

    /// Whether a read would give anything: bytes, the end, or an error. Takes nothing out.
    public static func hasNews(_ descriptor: CInt) -> Bool {
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, CInt(MSG_PEEK)) >= 0 || (errno != EAGAIN && errno != EINTR)
    }

    /// Never raises SIGPIPE.
    ///
    /// - Parameter moreFollows: hold a partial segment back because more bytes or the end come at once.
    public static func write(
        _ descriptor: CInt,
        _ bytes: UnsafeRawBufferPointer,
        moreFollows: Bool = false
    ) -> Transfer {
        guard let start = bytes.baseAddress, !bytes.isEmpty else { return .wouldBlock }
        let flags = CInt(MSG_NOSIGNAL) | (moreFollows ? CInt(MSG_MORE) : 0)
        while true {
            let count = send(descriptor, start, bytes.count, flags)
            if count >= 0 { return .bytes(count) }
            if let transfer = transfer(after: errno) { return transfer }
        }
    }

    private static func transfer(after code: CInt) -> Transfer? {
        switch code {
        case EINTR: nil
        case EAGAIN, EWOULDBLOCK: .wouldBlock
        default: .failed(code: code)
        }
    }

    public enum Accepted: Equatable, Sendable {
        /// A connection; `peer` is nil on a UNIX socket.
        case connection(CInt, peer: SocketAddress?)
        case wouldBlock
        /// The connection was gone before we took it; try the next one.
        case skipped
        /// Out of descriptors or memory: `code` says which. Accepting must pause, or it would spin.
        case exhausted(code: CInt)
        /// The listener itself is unusable.
        case failed(code: CInt)
    }

    public static func accept(_ listener: CInt) -> Accepted {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                while true {
                    let descriptor = cepoll_accept(listener, address, &length)
                    if descriptor >= 0 { return .connection(descriptor, peer: SocketAddress(address)) }
                    switch errno {
                    case EINTR: continue
                    case EAGAIN, EWOULDBLOCK: return .wouldBlock
                    // accept(2): Linux passes pending network errors of the new socket on.
                    case ECONNABORTED, EPROTO, EPERM, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH,
                        ENETUNREACH, ETIMEDOUT:
                        return .skipped
                    case EMFILE, ENFILE, ENOBUFS, ENOMEM: return .exhausted(code: errno)
                    default: return .failed(code: errno)
                    }
                }
            }
        }
    }

    public enum Connecting: Equatable, Sendable {
        case connected(CInt)
        /// Readiness for writing tells the outcome; ask `connectOutcome` then.
        case inProgress(CInt)
        /// `EAGAIN` on a UNIX socket means that the listener's backlog is full and no readiness will come.
        case failed(code: CInt)
    }

    /// Starts a connection from a new non-blocking, close-on-exec socket.
    public static func connect(to address: SocketAddress) -> Connecting {
        let descriptor = cepoll_socket(address.family)
        guard descriptor >= 0 else { return .failed(code: errno) }
        if address.family != AF_UNIX {
            // A request is one small segment; waiting for the other side's ACK would only delay it.
            var on: CInt = 1
            setsockopt(descriptor, CInt(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<CInt>.size))
        }
        let result = address.withSockAddr { Glibc.connect(descriptor, $0, $1) }
        if result == 0 { return .connected(descriptor) }
        let code = errno
        // An interrupted connect goes on in the background (connect(2)), exactly like EINPROGRESS.
        if code == EINPROGRESS || code == EINTR { return .inProgress(descriptor) }
        close(descriptor)
        return .failed(code: code)
    }

    /// Zero once a connection that was in progress stands, else the errno that ended it.
    public static func connectOutcome(_ descriptor: CInt) -> CInt {
        var code: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length) == 0 ? code : errno
    }

    public static func shutDownSending(_ descriptor: CInt) {
        shutdown(descriptor, CInt(SHUT_WR))
    }

    /// Makes `close` send a reset, so that the peer cannot take the end of the connection for the end of an answer.
    public static func resetOnClose(_ descriptor: CInt) {
        var abortive = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &abortive, socklen_t(MemoryLayout<linger>.size))
    }

    public static func close(_ descriptor: CInt) {
        // Not retried after EINTR: on Linux the descriptor is gone either way, and may be someone else's.
        _ = Glibc.close(descriptor)
    }
}
