import HTTPWire
import MetadataModel
import RelayLoop

/// Sees what a relay loop does: the access log, warnings, later metrics. One per loop, called on its thread.
public protocol RelayObserver: AnyObject {
    /// A request has ended.
    ///
    /// - Parameter line: the request line as received, without its end; empty if there was none.
    func finished(_ record: ExchangeRecord, line: Span<UInt8>)
    /// Something an operator may want to know.
    func noted(_ note: PathNote)
    /// A batch of events is done: write out what was collected.
    func batchEnded()
}

/// One request, as the access log wants it.
public struct ExchangeRecord: Sendable {
    /// The guest's address; nil if the request ended before it was known.
    public var client: IPAddress?
    /// Its port, where the connection is the guest's own; otherwise 0.
    public var clientPort: UInt16 = 0
    /// A namespace proxy said who the client is; otherwise the client's own connection did.
    public var isForwarded: Bool
    public var scope: Scope?
    public var instance: Instance?
    /// The status sent; 499 if the guest went away before there was one.
    public var status: Int
    /// Bytes sent to the guest, head included.
    public var bytesSent: UInt64
    /// From the request's first byte to its answer's last.
    public var duration: LoopSpan
    /// How long of it the request's head took; nil if it was never complete.
    public var reading: LoopSpan?
    /// Not a byte of a request came.
    public var isSilent = false
    /// How long of it the request waited for what was not there yet.
    public var held: LoopSpan
    /// Why, if the answer is not the next hop's.
    public var verdict: Verdict?
}

public enum PathNote: Sendable {
    /// A request ended with a verdict of ours.
    case refused(Verdict, client: IPAddress?, scope: Scope?)
    /// A request that is not valid HTTP, and why.
    case malformed(WireFault, client: IPAddress?)
    /// A guest's connection was closed at once: it has too many.
    case tooManyConnections(client: IPAddress, scope: Scope)
    /// Nova refused the signature: the shared secrets probably differ.
    case signatureRefused(Instance?)
    /// The next hop answered 500, 502, 503 or 504.
    case backendError(status: Int, Instance?)
    /// A connection to the next hop failed; held requests are tried again.
    case connectFailed(SocketAddress?, reason: String)
    /// Nova's 404 led to a second lookup, and the port belongs to another instance now.
    case instanceChanged(from: Instance, to: Instance)
    /// No descriptors or memory for more connections; accepting pauses for a moment.
    case acceptPaused(code: CInt)
    /// A listener became unusable.
    case listenerFailed(code: CInt)
    /// A relay loop could not start, or ended for want of resources.
    case loopFailed(LoopError)
}
