import Glibc
import HTTPWire
import MetadataModel
import RelayLoop

/// Where guests' requests come in: a listening socket and what standing behind it says about them.
public struct Door: Sendable {
    public enum Identity: Sendable {
        /// A UNIX socket that only namespace proxies can reach: their headers name the network or router and
        /// the guest's address.
        case headers
        /// A listener inside a network's namespace: the connection itself is the identity, headers count for nothing.
        case scope(Scope)
    }

    /// Tells a door from others as long as anyone remembers it, which the socket must not have to last for.
    final class Key: Sendable {}

    let key = Key()
    public let socket: ListeningSocketHandle
    public let identity: Identity
    /// Nil for those of `RelaySettings`.
    public let limits: DoorLimits?
    /// Whether another process holds the socket too. What waits in its backlog is then left to whoever accepts next.
    public let isLent: Bool

    public init(
        socket: ListeningSocketHandle,
        identity: Identity,
        limits: DoorLimits? = nil,
        isLent: Bool = false
    ) {
        self.socket = socket
        self.identity = identity
        self.limits = limits
        self.isLent = isLent
    }
}

/// A listening descriptor shared by all relay loops; closed when the last of them has let go of it.
///
/// A listener that anyone still holds keeps its network namespace alive and its address in use, so letting go
/// must not depend on anything else.
public final class ListeningSocketHandle: Sendable {
    public let descriptor: CInt

    /// Takes over a listening, non-blocking descriptor.
    public init(adopting descriptor: CInt) {
        self.descriptor = descriptor
    }

    deinit {
        Descriptor.close(descriptor)
    }
}
