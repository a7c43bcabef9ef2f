/// How large a head may be. A larger one is refused as soon as the bytes show it, also when the line end or the
/// empty line never comes.
public struct HeadLimits: Sendable {
    /// Bytes of one line without its line end; eventlet's `max_header_line`, the agent's limit up to Neutron 2024.2.
    public var lineBytesMax = 16_384
    /// Bytes of the whole head: every line with its end, the empty line, and empty lines in front.
    public var headBytesMax = 65_536
    /// Header lines, without the first line.
    public var headersMax = 256

    public init() {}
}

/// What a scanner has to say about the bytes so far.
public enum HeadScan<Head: Sendable>: Sendable {
    /// No fault up to here, but the empty line is still to come.
    case needMore
    /// The whole head is there; more bytes may follow it.
    case complete(Head)
    /// Whatever follows cannot mend it.
    case fault(WireFault)
}

extension HeadScan: Equatable where Head: Equatable {}
