import HTTPWire
import MetadataModel
import RelayLoop

/// Step 1. Who sent this request: the door and the peer address, or on the UNIX door the headers that only a
/// namespace proxy can have written. Nothing a guest sends takes part.
struct Sender: Hashable {
    var scope: Scope
    /// The guest's address in its network; what Nova gets as `X-Forwarded-For`.
    var address: IPAddress
    /// How long the hop before us has held this request already.
    var heldBefore: LoopSpan = .zero
}

/// How to read a list in `X-Forwarded-For` on the UNIX door.
public enum ForwardedForPolicy: Sendable {
    /// Take the last element: it was added by the hop next to us, the ones before it by the guest.
    case last
    /// Refuse it, as Neutron's agent does since Victoria.
    case reject
}

enum Identify {
    /// - Parameter peer: the address of the connection's other end; nil on a UNIX socket.
    static func sender(
        of head: RequestHead,
        in bytes: Span<UInt8>,
        door: Door.Identity,
        peer: IPAddress?,
        policy: ForwardedForPolicy
    ) -> Result<Sender, Verdict> {
        switch door {
        case .scope(let scope):
            guard let peer else { return .failure(.addressMissing) }
            return .success(Sender(scope: scope, address: peer))
        case .headers:
            return forwardedSender(of: head, in: bytes, policy: policy)
        }
    }

    private static func forwardedSender(
        of head: RequestHead,
        in bytes: Span<UInt8>,
        policy: ForwardedForPolicy
    ) -> Result<Sender, Verdict> {
        let scope: Scope
        switch (head.networkID, head.routerID) {
        case (.absent, .absent):
            return .failure(.scopeMissing)
        case (.one(let range), .absent):
            guard let id = ResourceID(bytes.extracting(range.start..<range.end)) else {
                return .failure(.scopeAmbiguous)
            }
            scope = .network(id)
        case (.absent, .one(let range)):
            guard let id = ResourceID(bytes.extracting(range.start..<range.end)) else {
                return .failure(.scopeAmbiguous)
            }
            scope = .router(id)
        default:
            return .failure(.scopeAmbiguous)
        }
        // Never look up without an address: Neutron's Kilo to Ussuri did, and a network with a single port
        // then answered for anybody.
        guard let range = head.forwardedFor, !(head.forwardedForIsList && policy == .reject),
            let address = IPAddress(bytes.extracting(range.start..<range.end))
        else { return .failure(.addressMissing) }
        var heldBefore = LoopSpan.zero
        if let held = head.heldMilliseconds {
            heldBefore = .milliseconds(decimal(bytes.extracting(held.start..<held.end)))
        }
        return .success(Sender(scope: scope, address: address, heldBefore: heldBefore))
    }

    /// At most six digits; anything else counts as nothing held.
    private static func decimal(_ bytes: Span<UInt8>) -> UInt64 {
        guard (1...6).contains(bytes.count) else { return 0 }
        var value: UInt64 = 0
        for index in bytes.indices {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[index]) else { return 0 }
            value = value * 10 + UInt64(bytes[index] - UInt8(ascii: "0"))
        }
        return value
    }
}
