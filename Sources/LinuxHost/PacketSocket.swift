import CLinuxHost
import Glibc

/// A connected UNIX socket for messages that may carry open descriptors (SOCK_SEQPACKET, SCM_RIGHTS).
///
/// Non-blocking and close-on-exec. The descriptor is its owner's to close.
public struct PacketSocket: Sendable {
    public let descriptor: CInt

    /// The most descriptors in one message.
    public static let descriptorsMax = Int(CLINUXHOST_DESCRIPTORS_MAX)

    /// Takes a descriptor that is connected already.
    public init(adopting descriptor: CInt) {
        self.descriptor = descriptor
    }

    /// Connects to a listening socket; nil with `errno` if there is none, or its backlog is full.
    public static func connect(to path: String) -> PacketSocket? {
        let descriptor = clinuxhost_socket(AF_UNIX, CInt(SOCK_SEQPACKET.rawValue))
        guard descriptor >= 0 else { return nil }
        let result = withUnixAddress(Array(path.utf8)) { Glibc.connect(descriptor, $0, $1) }
        if result == 0 { return PacketSocket(adopting: descriptor) }
        let reason = result == nil ? ENAMETOOLONG : errno
        Glibc.close(descriptor)
        errno = reason
        return nil
    }

    /// The next connection of a listening socket; nil with `errno` if none waits.
    public static func accept(_ listener: CInt) -> PacketSocket? {
        let descriptor = clinuxhost_accept(listener)
        return descriptor >= 0 ? PacketSocket(adopting: descriptor) : nil
    }

    /// Sends one message whole; false with `errno` if it cannot be sent now or ever.
    public func send(_ bytes: [UInt8], descriptors: [CInt] = []) -> Bool {
        clinuxhost_send_descriptors(descriptor, bytes, bytes.count, descriptors, CInt(descriptors.count)) == bytes.count
    }

    public enum Reception: Equatable, Sendable {
        /// The descriptors are the receiver's to close.
        case message([UInt8], descriptors: [CInt])
        case wouldBlock
        case ended
        /// EMSGSIZE for a message that is larger than asked for.
        case failed(code: CInt)
    }

    public func receive(bytesMax: Int) -> Reception {
        var bytes = [UInt8](repeating: 0, count: bytesMax)
        var descriptors = [CInt](repeating: -1, count: Self.descriptorsMax)
        var received: CInt = 0
        let count = clinuxhost_receive_descriptors(descriptor, &bytes, bytes.count, &descriptors, &received)
        if count < 0 { return errno == EAGAIN ? .wouldBlock : .failed(code: errno) }
        let passed = Array(descriptors.prefix(Int(received)))
        guard count > 0 || !passed.isEmpty else { return .ended }
        return .message(Array(bytes.prefix(count)), descriptors: passed)
    }

    /// Who made the connection at the other end.
    public struct Peer: Equatable, Sendable {
        public var pid: pid_t
        public var user: uid_t
        public var group: gid_t
    }

    /// Nil if the kernel does not say.
    public var peer: Peer? {
        var peer = Peer(pid: 0, user: 0, group: 0)
        return clinuxhost_peer_credentials(descriptor, &peer.pid, &peer.user, &peer.group) == 0 ? peer : nil
    }

    public func close() {
        _ = Glibc.close(descriptor)
    }
}
