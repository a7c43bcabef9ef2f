/// Why a message could not be sent, or a call got no result.
public struct MessagingError: Error, Sendable {
    public enum Code: String, Sendable {
        /// The options do not describe a usable broker. An operator must act.
        case misconfigured
        /// No broker can be reached.
        case unreachable
        /// The broker refuses the user, the password or the virtual host, or denies the user what the bus needs. An
        /// operator must act.
        case refused
        /// The broker takes no messages: it is short of memory or disk.
        case blocked
        /// The broker could not take this message: its queue is full, or has failed.
        case rejected
        /// The broker has no queue for the topic: no server listens, or exchange or virtual host differ from the
        /// server's.
        case unroutable
        /// Sent, but no reply in time.
        case timeout
        /// Too many messages wait already.
        case overloaded
        /// The server has no such method, or not in this version.
        case noSuchMethod
        /// The server's method ended in an error.
        case remoteFailure
        /// The reply is not what the protocol promises.
        case malformedReply
        /// The bus was shut down, or the caller gave up.
        case cancelled
    }

    public let code: Code
    /// One sentence or two with the thing concerned (host and port, topic) and what to do next; never a password.
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }
}

extension MessagingError: CustomStringConvertible {
    public var description: String { "\(message) (\(code.rawValue))" }
}
