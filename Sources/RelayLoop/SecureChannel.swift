/// TLS over one connected, non-blocking socket.
///
/// The loop knows only this protocol, so that the namespace proxy, which never speaks TLS, does not carry a
/// TLS library. Used by one loop thread only. The socket stays the caller's, who closes it after `shutDown()`.
public protocol SecureChannel: AnyObject {
    /// Goes on with the handshake; called at first and then at every readiness until it is not `.pending`.
    func handshake() -> SecureHandshake
    func read(into buffer: UnsafeMutableRawBufferPointer) -> Transfer
    func write(_ bytes: UnsafeRawBufferPointer) -> Transfer
    /// Why a read or write failed, for the log; nil if the socket's own errno says it all. Some refusals, such as that
    /// of a client certificate in TLS 1.3, only show up after the handshake.
    var failureSentence: String? { get }
    /// Sends close_notify if that is possible without waiting, and frees everything.
    func shutDown()
}

public enum SecureHandshake: Equatable, Sendable {
    case done
    case pending
    /// The sentence says whose certificate or setting is wrong and what to look at.
    case failed(String)
}

/// Makes channels for one next hop; shared by all loops.
public protocol SecureChannelFactory: Sendable {
    /// Nil if the TLS library is out of memory.
    func makeChannel(descriptor: CInt) -> (any SecureChannel)?
}
