import Glibc

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
        "\(call) failed: \(systemErrorText(code))"
    }
}

/// The system's sentence for an errno.
public func systemErrorText(_ code: CInt) -> String {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer in
        guard let start = buffer.baseAddress, let text = __strerror(code, start, buffer.count) else {
            return "error \(code)"
        }
        return String(cString: text)
    }
}

private func __strerror(_ code: CInt, _ buffer: UnsafeMutablePointer<CChar>, _ count: Int) -> UnsafePointer<CChar>? {
    // Swift's Glibc module shows the XSI strerror_r, which fills the buffer.
    strerror_r(code, buffer, count) == 0 ? UnsafePointer(buffer) : nil
}
