import Glibc
import LinuxHost

/// A system call that a loop cannot live without failed: at start-up, or for want of descriptors.
public struct LoopError: Error, Hashable, Sendable, CustomStringConvertible {
    public let call: String
    /// The errno.
    public let code: CInt

    public init(call: String, code: CInt) {
        self.call = call
        self.code = code
    }

    public var description: String {
        "\(call) failed: \(systemReason(code))"
    }
}
