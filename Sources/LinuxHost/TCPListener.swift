import CLinuxHost
import Glibc

/// Opening the TCP door that guests knock at.
public enum TCPListener {
    /// Pending connections the kernel may hold; it clamps this to net.core.somaxconn. 128 was too few for a
    /// compute node's worth of booting guests (Neutron Juno, LP 1323005).
    public static let defaultBacklog: CInt = 4_096

    /// Binds and listens: non-blocking, close-on-exec, SO_REUSEADDR, keep-alive probes after 600 seconds
    /// (a guest that is deleted in the middle of a request says nothing more).
    ///
    /// - Parameters:
    ///   - address: an IP address or host name; of several addresses the first is used. Exactly this one is
    ///     bound: an isolated network's proxy on the wildcard address was a leak (LP 1745618).
    ///   - port: 0 lets the kernel choose.
    ///   - interface: take connections of this interface only, which also gives a link-local address its scope; needs
    ///     CAP_NET_RAW.
    ///   - sharesPort: SO_REUSEPORT: a successor may bind while its predecessor still holds the port (haproxy).
    ///   - isV6Only: keep IPv4 away from an IPv6 wildcard; nil leaves it to the kernel's setting.
    ///   - retry: how long to wait for an address in use.
    /// - Returns: the descriptor, which the caller closes.
    /// - Throws: `badListenAddress`, `addressInUse`, `listenRefused`, or `interrupted`.
    public static func open(
        address: String,
        port: UInt16,
        interface: String? = nil,
        backlog: CInt = defaultBacklog,
        keepIdleSeconds: CInt = 600,
        sharesPort: Bool = false,
        isV6Only: Bool? = nil,
        retry: BindRetry
    ) throws(HostError) -> CInt {
        var hints = addrinfo()
        hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_PASSIVE
        var list: UnsafeMutablePointer<addrinfo>?
        let isLinkLocal = address.lowercased().hasPrefix("fe80:")
        let host = if let interface, isLinkLocal { "\(address)%\(interface)" } else { address }
        let code = getaddrinfo(host, String(port), &hints, &list)
        guard code == 0, let first = list else {
            let reason = code == EAI_SYSTEM ? systemReason(errno) : String(cString: gai_strerror(code))
            throw HostError(
                .badListenAddress,
                "Unable to listen on \(address):\(port): \(reason). Give an IP address of this host."
            )
        }
        defer { freeaddrinfo(list) }

        let descriptor = clinuxhost_socket(first.pointee.ai_family, CInt(SOCK_STREAM.rawValue))
        guard descriptor >= 0 else { throw refused("make a socket for", address, port, errno) }
        var isListening = false
        defer { if !isListening { close(descriptor) } }

        for (level, option, value) in [
            (SOL_SOCKET, SO_REUSEADDR, 1),
            (SOL_SOCKET, SO_KEEPALIVE, 1),
            (CInt(IPPROTO_TCP), TCP_KEEPIDLE, keepIdleSeconds),
        ] as [(CInt, CInt, CInt)] {
            var value = value
            guard setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<CInt>.size)) == 0
            else { throw refused("set up the socket for", address, port, errno) }
        }

        if sharesPort {
            var on: CInt = 1
            guard
                setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, socklen_t(MemoryLayout<CInt>.size)) == 0
            else { throw refused("set up the socket for", address, port, errno) }
        }
        if let isV6Only, first.pointee.ai_family == AF_INET6 {
            var value: CInt = isV6Only ? 1 : 0
            let size = socklen_t(MemoryLayout<CInt>.size)
            guard setsockopt(descriptor, CInt(IPPROTO_IPV6), IPV6_V6ONLY, &value, size) == 0 else {
                throw refused("set up the socket for", address, port, errno)
            }
        }
        if let interface {
            guard setsockopt(descriptor, SOL_SOCKET, SO_BINDTODEVICE, interface, socklen_t(interface.utf8.count)) == 0
            else { throw refused("bind to interface \(interface) for", address, port, errno) }
        }

        // Listening belongs to the retried step: with SO_REUSEADDR the conflict may show up only there.
        var isBound = false
        let outcome = retry.run {
            if !isBound {
                guard bind(descriptor, first.pointee.ai_addr, first.pointee.ai_addrlen) == 0 else { return errno }
                isBound = true
            }
            return listen(descriptor, backlog) == 0 ? 0 : errno
        }
        switch outcome {
        case .bound:
            isListening = true
            return descriptor
        case .interrupted:
            throw HostError(.interrupted, "Stopped while waiting for \(address):\(port) to become free.")
        case .failed(EADDRINUSE):
            throw HostError(
                .addressInUse,
                "Unable to listen on \(address):\(port): \(systemReason(EADDRINUSE)) for \(retry.windowSeconds)"
                    + " seconds."
                    + " Stop the process that has it: ss -ltnp 'sport = :\(port)' in the same namespace names it.",
                errorNumber: EADDRINUSE
            )
        case .failed(let reason):
            throw refused("listen on", address, port, reason)
        }
    }

    private static func refused(_ verb: String, _ address: String, _ port: UInt16, _ reason: CInt) -> HostError {
        let advice =
            switch reason {
            case EACCES: " Ports below 1024 need root or CAP_NET_BIND_SERVICE."
            case EPERM: " Binding to an interface needs root or CAP_NET_RAW."
            case ENODEV: " There is no interface of that name in this namespace."
            case EADDRNOTAVAIL: " The address is not on an interface of this namespace."
            default: ""
            }
        return HostError(
            .listenRefused,
            "Unable to \(verb) \(address):\(port): \(systemReason(reason)).\(advice)",
            errorNumber: reason
        )
    }
}
