import HTTPWire
import MetadataModel

/// Step 2. Whether a request may go on: what we never relay, and what is too large.
enum Admit {
    /// Nil if the request is admitted.
    static func refusal(of head: RequestHead, bodyBytesMax: UInt64) -> Verdict? {
        // CONNECT would ask for a tunnel, which no metadata service offers.
        if head.method == .connect { return .methodNotAllowed }
        if case .length(let count) = head.framing, count > bodyBytesMax { return .bodyTooLarge }
        return nil
    }

    /// The answer to a request that is not valid HTTP or breaks a limit.
    static func verdict(for fault: WireFault) -> Verdict {
        switch fault {
        case .malformed, .cutShort: .malformedRequest
        case .headTooLarge: .headTooLarge
        case .targetTooLong: .targetTooLong
        case .bodyTooLarge: .bodyTooLarge
        case .versionNotSupported: .versionNotSupported
        case .expectationFailed: .expectationFailed
        }
    }
}
