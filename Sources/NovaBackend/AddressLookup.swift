import Glibc
import LinuxHost
public import RelayLoop

/// What one DNS lookup came to.
public enum AddressLookup: Equatable, Sendable {
    /// In the order of RFC 6724, which getaddrinfo applies; never empty.
    case found([SocketAddress])
    /// The C library's sentence.
    case failed(String)

    /// Asks the system (hosts file, DNS, …) and waits for the answer, which can take many seconds: never to be
    /// called on a relay loop.
    public static func system(name: String, port: UInt16) -> AddressLookup {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(name, String(port), &hints, &list)
        defer { if let list { freeaddrinfo(list) } }
        guard code == 0 else {
            return .failed(code == EAI_SYSTEM ? systemReason(errno) : String(cString: gai_strerror(code)))
        }
        var addresses: [SocketAddress] = []
        var next = list
        while let entry = next {
            if let pointer = entry.pointee.ai_addr, let address = SocketAddress(pointer),
                !addresses.contains(address)
            {
                addresses.append(address)
            }
            next = entry.pointee.ai_next
        }
        return addresses.isEmpty ? .failed("the name has no IP address") : .found(addresses)
    }
}
