import Glibc
import LinuxHost

/// The proxy's side: listening sockets lent to the agent for as long as a connection stands.
///
/// The proxy keeps its own copies, so guests' connections wait in the backlog whenever no agent accepts them.
public final class ListenerLease {
    private let socket: PacketSocket

    /// Where the agent takes listeners: beside its socket for requests.
    public static func path(besideAgentSocket path: String) -> String { path + ".listeners" }

    public enum Failure: Error, Sendable {
        /// Nobody takes listeners there: no agent, or one that cannot. With the errno.
        case unavailable(CInt)
        /// The agent does not want them.
        case refused(String)
        /// Something else came up while waiting for the answer.
        case interrupted
    }

    /// Offers the sockets to an agent that answers.
    ///
    /// - Parameters:
    ///   - milliseconds: how long to wait for it.
    ///   - other: a descriptor that ends the waiting when it is readable: a signal must not wait for an agent that
    ///     hangs.
    public convenience init(
        _ offer: ListenerOffer,
        descriptors: [CInt],
        agentPath: String,
        milliseconds: Int,
        unlessReadable other: CInt
    ) throws(Failure) {
        try self.init(
            offer: offer.bytes,
            descriptors: descriptors,
            agentPath: agentPath,
            milliseconds: milliseconds,
            unlessReadable: other
        )
    }

    /// The same with the bytes of an offer that was made before.
    public init(
        offer: [UInt8],
        descriptors: [CInt],
        agentPath: String,
        milliseconds: Int,
        unlessReadable other: CInt
    ) throws(Failure) {
        guard let socket = PacketSocket.connect(to: agentPath) else { throw .unavailable(errno) }
        do throws(Failure) {
            let end = MonotonicTime.now.advanced(byMilliseconds: milliseconds)
            try Self.await(.ready, on: socket, until: end, unlessReadable: other)
            guard socket.send(offer, descriptors: descriptors) else { throw .unavailable(errno) }
            try Self.await(.accepted, on: socket, until: end, unlessReadable: other)
        } catch {
            socket.close()
            throw error
        }
        self.socket = socket
    }

    private static func await(
        _ wanted: ListenerReply,
        on socket: PacketSocket,
        until end: MonotonicTime,
        unlessReadable other: CInt
    ) throws(Failure) {
        var entries = [socket.descriptor, other].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        guard poll(&entries, nfds_t(entries.count), MonotonicTime.now.millisecondsUntil(end)) > 0 else {
            throw .unavailable(ETIMEDOUT)
        }
        guard entries[0].revents != 0 else { throw .interrupted }
        guard case .message(let bytes, let unwanted) = socket.receive(bytesMax: ListenerReply.bytesMax) else {
            throw .unavailable(ECONNRESET)
        }
        for descriptor in unwanted { close(descriptor) }
        let reply = ListenerReply(bytes)
        guard reply != wanted else { return }
        if case .refused(let why) = reply { throw .refused(why) }
        throw .refused("an answer out of turn")
    }

    /// Takes over a lease that a predecessor in this process had.
    public init(adopting descriptor: CInt) {
        socket = PacketSocket(adopting: descriptor)
    }

    deinit {
        // The agent stops accepting when it sees the end.
        socket.close()
    }

    /// Readable when the agent has ended the lease, which is all it ever says.
    public var descriptor: CInt { socket.descriptor }
}
