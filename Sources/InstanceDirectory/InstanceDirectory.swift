import MetadataModel

/// "Who is asking?": a claim in, an instance or a reason out.
///
/// Implementations know where ports come from (the inventory file, Neutron's REST API, RPC over the
/// message bus); they keep no cache and do not coalesce, `InstanceLookup` in front of them does both.
public protocol InstanceDirectory: Sendable {
    /// What answers, for log lines: `inventory`, `REST`, `RPC`.
    var name: String { get }

    /// Asks once, without retrying. Ends soon after its task is cancelled: the lookup in front of it gives up
    /// waiting after a time and counts a cancelled question as over.
    ///
    /// - Throws: `DirectoryError` when there is no answer to rely on. "Nobody has this address" is an
    ///   answer and not an error.
    func find(_ claim: Claim) async throws(DirectoryError) -> Finding
}

/// What a directory that answered has to say about a claim.
public enum Finding: Hashable, Sendable {
    case instance(Instance)
    case nobody(NotFoundReason)
}

/// The directory could not answer.
public struct DirectoryError: Error, Sendable {
    public enum Code: String, Sendable {
        /// No connection to the control plane. Waiting can help.
        case unreachable
        /// Asked, but no reply in time. Waiting can help.
        case timeout
        /// The control plane is there but says that it is not ready (HTTP 502, 503, 504). Waiting can help.
        case unavailable
        /// The credentials were refused. An operator must act.
        case unauthorized
        /// The control plane replied with an error of its own.
        case remoteFailure
        /// The reply is not what the protocol promises.
        case malformedReply
        /// The options do not describe a usable control plane. An operator must act.
        case misconfigured
    }

    public let code: Code
    /// One sentence with the thing concerned (URL without credentials, host and port) and what to do next.
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    /// Whether the same question may be answered later without anybody acting: decides between holding the
    /// guest's request (then 503) and refusing it at once (500).
    public var waitingCanHelp: Bool {
        switch code {
        case .unreachable, .timeout, .unavailable: true
        case .unauthorized, .remoteFailure, .malformedReply, .misconfigured: false
        }
    }
}

extension DirectoryError: CustomStringConvertible {
    public var description: String { "\(message) (\(code.rawValue))" }
}
