/// Why the directory says that nobody has this address.
public enum NotFoundReason: Hashable, Sendable {
    /// No port on the network has the address.
    case noPort
    /// More than one port matches; choosing one could hand out another guest's data.
    case severalPorts(count: Int)
    /// The port belongs to no instance: its `device_id` is empty or unusable.
    case portWithoutInstance
    /// The router is unknown or has no interfaces. The reference then searches **all** networks; we match nothing.
    case routerWithoutNetworks
    /// The IPv6 link-local address was not made from a MAC address, so it names no port.
    case addressNamesNoPort
}

extension NotFoundReason: CustomStringConvertible {
    public var description: String {
        switch self {
        case .noPort: "no port has this address"
        case .severalPorts(let count): "\(count) ports have this address"
        case .portWithoutInstance: "the port belongs to no instance"
        case .routerWithoutNetworks: "the router has no interfaces"
        case .addressNamesNoPort: "the link-local address is not made from a MAC address"
        }
    }
}

/// Every way in which a request can end without Nova's own answer.
///
/// This is the one table from cause to HTTP status; `docs/operations.md` explains each row to operators.
public enum Verdict: Error, Hashable, Sendable {
    // 1 identify
    /// The UNIX door got neither a network nor a router id: a proxy that is not configured.
    case scopeMissing
    /// Both ids, or one of them twice: what a spoofing guest produced before Neutron Ussuri (LP 1865036).
    case scopeAmbiguous
    /// No usable `X-Forwarded-For`. Kilo to Ussuri then left the address out of the search; never do that.
    case addressMissing

    // 2 admit
    case malformedRequest
    case requestTimeout
    case bodyTooLarge
    case targetTooLong
    case headTooLarge
    case methodNotAllowed
    case expectationFailed
    case versionNotSupported
    /// The guest has asked more often than its network allows; how long to wait, in seconds.
    case rateLimited(retryAfter: Int)
    /// The memory that request bodies of unknown length may take together is in use.
    case overloaded

    // 3 resolve
    case instanceNotFound(NotFoundReason)
    /// The control plane could not be asked, all the time the request was held.
    case directoryAway
    /// The control plane answered, but with an error that waiting does not mend.
    case directoryFailed

    // 5 forward
    /// No connection to the next hop (Nova, or the agent's socket), all the time the request was held.
    case backendAway
    /// The next hop took the request and did not answer in time.
    case backendTimeout
    /// The next hop's answer was cut short or is not HTTP.
    case backendBroken
    /// Nova answered with a status that has no meaning for a guest (redirects, 401, 204, …).
    case backendUnexpected(status: Int)

    public var status: Int {
        switch self {
        case .scopeAmbiguous, .addressMissing, .malformedRequest: 400
        case .instanceNotFound: 404
        case .methodNotAllowed: 405
        case .requestTimeout: 408
        case .bodyTooLarge: 413
        case .targetTooLong: 414
        case .expectationFailed: 417
        case .rateLimited: 429
        case .headTooLarge: 431
        case .scopeMissing, .directoryFailed, .backendUnexpected: 500
        case .backendBroken: 502
        case .directoryAway, .backendAway, .overloaded: 503
        case .backendTimeout: 504
        case .versionNotSupported: 505
        }
    }

    /// Seconds for `Retry-After`; nil where asking again cannot help.
    public var retryAfterSeconds: Int? {
        switch self {
        case .directoryAway, .backendAway, .overloaded: 2
        case .rateLimited(let seconds): seconds
        default: nil
        }
    }

    /// One plain sentence for the guest. It names no address, no id and no server of ours.
    public var explanation: String {
        switch self {
        case .scopeMissing: "The metadata proxy did not say which network or router the request came from."
        case .scopeAmbiguous: "The request names more than one network or router."
        case .addressMissing: "The request does not carry exactly one usable client address."
        case .malformedRequest: "The request is not valid HTTP/1.1."
        case .requestTimeout: "The request did not arrive in time."
        case .bodyTooLarge: "The request body is too large."
        case .targetTooLong: "The request target is too long."
        case .headTooLarge: "The request header is too large."
        case .methodNotAllowed: "This method is not supported."
        case .expectationFailed: "The only expectation supported is 100-continue."
        case .versionNotSupported: "Only HTTP/1.0 and HTTP/1.1 are supported."
        case .rateLimited: "Too many requests. Please try again later."
        case .overloaded: "The metadata service is busy. Please try again."
        case .instanceNotFound: "No instance was found for this address."
        case .directoryAway: "The network service is temporarily unavailable. Please try again later."
        case .directoryFailed, .backendUnexpected: "An unknown error has occurred. Please try your request again."
        case .backendAway: "The remote metadata server is temporarily unavailable. Please try again later."
        case .backendTimeout: "The remote metadata server did not answer in time."
        case .backendBroken: "The remote metadata server sent an incomplete answer."
        }
    }
}
