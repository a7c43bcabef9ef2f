import Glibc

/// What one non-blocking read or write came to.
public enum Transfer: Equatable, Sendable {
    /// This many bytes moved; at least one.
    case bytes(Int)
    /// Nothing moved now; the poller will say when to try again.
    case wouldBlock
    /// The peer has closed its sending side (reads only).
    case endOfStream
    /// The connection is unusable; `code` is the errno, or `EPROTO` for a TLS failure.
    case failed(code: CInt)
}
