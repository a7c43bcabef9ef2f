import Glibc

/// Something the host refused: the one error type of this library.
///
/// `message` is a whole sentence for the operator, with the path, address or account concerned, the system's
/// reason, and what to do. The program logs it and leaves with an exit status other than 0.
public struct HostError: Error, Hashable, Sendable {
    /// What was being done. Stable, for tests and for deciding what to do next.
    public enum Code: Hashable, Sendable {
        case pidFileUnusable
        /// Another process holds the lock of the pid file.
        case pidFileLocked
        case daemonNotStarted
        case unknownAccount
        /// Privileges can be dropped by root only.
        case notRoot
        case privilegesKept
        case badListenAddress
        /// Another socket is bound to the address, and it stayed so for the whole retry window.
        case addressInUse
        case listenRefused
        /// A signal ended the waiting for an address.
        case interrupted
        case signalsUnavailable
    }

    public let code: Code
    public let message: String
    /// The `errno` behind it, or 0.
    public let errorNumber: CInt

    public init(_ code: Code, _ message: String, errorNumber: CInt = 0) {
        self.code = code
        self.message = message
        self.errorNumber = errorNumber
    }
}

extension HostError: CustomStringConvertible {
    public var description: String { message }
}

/// The system's words for an `errno`.
public func systemReason(_ errorNumber: CInt) -> String {
    // glibc keeps these texts constant for known numbers, so no buffer is shared between threads.
    guard let text = strerror(errorNumber) else { return "error \(errorNumber)" }
    return String(cString: text)
}
