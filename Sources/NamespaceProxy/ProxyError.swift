import LinuxHost

/// The proxy cannot start, or cannot go on. `message` is for standard error and the log.
public struct ProxyError: Error, Hashable, Sendable {
    /// Stable, for tests.
    public enum Code: Hashable, Sendable {
        /// Neither `network_id` nor `router_id`.
        case idMissing
        case badOption
        case alreadyRunning
        /// A signal asked for the end before the proxy served; no failure.
        case stopped
        /// See the message; the host refused something.
        case host
    }

    public let code: Code
    public let message: String

    init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    init(_ error: HostError) {
        self.init(error.code == .interrupted ? .stopped : .host, error.message)
    }
}

extension ProxyError: CustomStringConvertible {
    public var description: String { message }
}
