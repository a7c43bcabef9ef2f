import Glibc
import LinuxHost

/// Logging could not be set up. The program must say so on standard error and leave: running without the log
/// that the operator asked for would hide everything else.
public struct LogError: Error, Hashable, Sendable {
    public enum Code: Hashable, Sendable {
        case fileUnusable
        case badOption
        case alreadySetUp
    }

    public let code: Code
    /// One sentence with the file or option, the reason and what to do.
    public let message: String

    static func cannotOpen(_ path: String, reason: CInt) -> LogError {
        let advice =
            switch reason {
            case ENOENT: "Create its directory or change log_dir and log_file."
            case EACCES, EPERM, EROFS: "Give this program's user the right to write it, or change log_file."
            default: "Check log_dir and log_file."
            }
        return LogError(
            code: .fileUnusable,
            message: "Cannot open the log file \(path): \(systemReason(reason)). \(advice)"
        )
    }
}

extension LogError: CustomStringConvertible {
    public var description: String { message }
}
