/// How the end of a body is found.
public enum BodyFraming: Hashable, Sendable {
    case none
    /// Exactly so many bytes; `length(0)` was announced, `none` was not.
    case length(UInt64)
    case chunked
    /// Everything up to the end of the stream; answers only.
    case untilClose
}

/// What to do with the bytes at the front of the stream.
public enum BodyStep: Hashable, Sendable {
    /// Drop `skip` bytes of framing, then read more.
    case needMore(skip: Int)
    /// Drop `skip` bytes of framing; the `count` bytes behind them are payload. `count` is at least 1.
    case payload(skip: Int, count: Int)
    /// Drop `skip` bytes of framing; the body is complete, and what follows is the next message.
    case end(skip: Int)
    /// The body cannot be read to its end; the connection is of no further use.
    case fault(WireFault)
}

/// Follows a body through the stream without holding any of it: each step says which bytes at the front are framing
/// and which are payload. The caller drops both and calls again with what is left.
///
/// Chunk extensions and trailers are passed over and never looked into, so nothing in them can pose as a header.
public struct BodyReader: Sendable {
    /// The longest line with a chunk size, extensions included and without its line end.
    public static let chunkLineBytesMax = 4_096
    /// All chunk extensions together, without their semicolons: nobody needs any (RFC 9112, section 7.1.1).
    public static let extensionBytesMax = 65_536
    /// All trailer lines together, with their line ends and the empty line that closes them.
    public static let trailerBytesMax = 8_192

    private enum State: Sendable {
        case done
        case length(remaining: UInt64)
        case untilClose
        case chunked(ChunkedFraming)
        case failed(WireFault)
    }

    private var state: State
    /// Payload that may still be announced or arrive.
    private var budget: UInt64

    /// - Parameter bytesMax: the most payload to pass on. A longer body is the fault `bodyTooLarge`: as soon as its
    ///   length or a chunk's size is known, or behind the last byte allowed if neither is.
    public init(_ framing: BodyFraming, bytesMax: UInt64 = .max) {
        budget = bytesMax
        switch framing {
        case .none, .length(0): state = .done
        case .length(let length) where length > bytesMax: state = .failed(.bodyTooLarge)
        case .length(let length): state = .length(remaining: length)
        case .untilClose: state = .untilClose
        case .chunked: state = .chunked(ChunkedFraming())
        }
    }

    /// True when no further byte of the stream belongs to this body.
    public var isDone: Bool {
        if case .done = state { true } else { false }
    }

    /// Looks at the unread bytes of the stream.
    ///
    /// After the end every call says `end(skip: 0)`, after a fault every call repeats it.
    public mutating func next(_ bytes: Span<UInt8>) -> BodyStep {
        switch state {
        case .done:
            return .end(skip: 0)
        case .failed(let fault):
            return .fault(fault)
        case .length(let remaining):
            let count = portion(of: remaining, in: bytes.count)
            guard count > 0 else { return .needMore(skip: 0) }
            state = remaining == UInt64(count) ? .done : .length(remaining: remaining - UInt64(count))
            return .payload(skip: 0, count: count)
        case .untilClose:
            guard bytes.count > 0 else { return .needMore(skip: 0) }
            let count = portion(of: budget, in: bytes.count)
            guard count > 0 else { return fail(.bodyTooLarge) }
            budget -= UInt64(count)
            return .payload(skip: 0, count: count)
        case .chunked(var chunked):
            do throws(WireFault) {
                let skip = try chunked.skipFraming(bytes, budget: &budget)
                if chunked.isDone {
                    state = .done
                    return .end(skip: skip)
                }
                let count = portion(of: chunked.dataRemaining, in: bytes.count - skip)
                chunked.takeData(count)
                state = .chunked(chunked)
                return count > 0 ? .payload(skip: skip, count: count) : .needMore(skip: skip)
            } catch {
                return fail(error)
            }
        }
    }

    /// Says what it means that the stream has ended; every byte before must have been given to `next`.
    ///
    /// - Returns: `end(skip: 0)` if the body is complete, else a fault.
    public mutating func endOfStream() -> BodyStep {
        switch state {
        case .done, .untilClose:
            state = .done
            return .end(skip: 0)
        case .length, .chunked:
            return fail(.cutShort)
        case .failed(let fault):
            return .fault(fault)
        }
    }

    private mutating func fail(_ fault: WireFault) -> BodyStep {
        state = .failed(fault)
        return .fault(fault)
    }

    private func portion(of remaining: UInt64, in available: Int) -> Int {
        Int(min(remaining, UInt64(available)))
    }
}
