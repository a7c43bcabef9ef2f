/// What became of one request on a connection of its own.
public enum CallOutcome: Equatable, Sendable {
    case answered(CallAnswer)
    case failed(CallFailure)
}

/// An answer as far as a guest looks at it.
public struct CallAnswer: Equatable, Sendable {
    public var status: Int
    /// The text of `Retry-After`.
    public var retryAfter: String?
    public var body: [UInt8]
    /// The connection ended in good order before as many bytes had come as the head announced.
    public var isCutShort: Bool

    public init(status: Int, retryAfter: String? = nil, body: [UInt8] = [], isCutShort: Bool = false) {
        self.status = status
        self.retryAfter = retryAfter
        self.body = body
        self.isCutShort = isCutShort
    }
}

/// Why there is no answer.
public enum CallFailure: Hashable, Sendable {
    /// Nobody accepted the connection in time.
    case connectTimedOut
    /// Connected, but no answer, or not all of it, in time.
    case timedOut
    case refused
    /// The connection was reset.
    case reset
    /// It ended before a whole head, or within a chunked body.
    case closed
    /// Not HTTP/1.1, or larger than `AnswerReader` takes.
    case malformed
    /// The network said no: unreachable, forbidden.
    case network(code: CInt)
    /// This machine has no socket, port or memory for the request: a limit of the storm, not of the service.
    case local(code: CInt)
}
