import Glibc

/// The name of this machine, which Neutron takes as the default of its option `host`.
public enum HostName {
    /// As gethostname(2) gives it, cut at 255 bytes; `localhost` if the system refuses.
    public static var current: String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            buffer.initialize(repeating: 0)
            guard let start = buffer.baseAddress, gethostname(start, buffer.count - 1) == 0, start.pointee != 0
            else { return "localhost" }
            return String(cString: start)
        }
    }
}
