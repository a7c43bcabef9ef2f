import HTTPWire
import MetadataModel
import RelayLoop

/// Step 5. The request as the next hop gets it: the guest's method, target and body, and only our own headers.
///
/// No guest header is ever forwarded. Nova would believe `X-Instance-ID` and treat `X-Metadata-Provider` as a load
/// balancer's request; leaving out everything leaves out the spellings nobody has thought of yet.
enum Forward {
    /// What tells the next hop who is asking.
    enum Credentials {
        /// To Nova.
        case instance(SignedInstance)
        /// To the agent's socket, from a namespace proxy.
        case scope(Scope, RelaySettings.ScopeHeaders, held: LoopSpan)
    }

    /// How the body follows.
    enum Body: Equatable {
        case none
        case length(UInt64)
    }

    /// What stands between a request's target and the guest's address, whoever asks: made once per next hop.
    static func hopLines(host: String) -> [UInt8] {
        Array(" HTTP/1.1\r\nHost: \(host)\r\nAccept-Encoding: identity\r\nX-Forwarded-For: ".utf8)
    }

    /// - Parameter hopLines: see `hopLines(host:)`.
    static func writeHead(
        of head: RequestHead,
        in bytes: Span<UInt8>,
        to output: inout ByteQueue,
        hopLines: [UInt8],
        address: IPAddress,
        credentials: Credentials,
        body: Body
    ) {
        output.append(bytes.extracting(head.methodRange.start..<head.methodRange.end))
        output.append(byte: UInt8(ascii: " "))
        let target = bytes.extracting(head.target.start..<head.target.end)
        // An absolute-form target may have no path of its own (RFC 9112, 3.2.2).
        if target.isEmpty || target[0] == UInt8(ascii: "?") { output.append(byte: UInt8(ascii: "/")) }
        output.append(target)
        output.append(hopLines)
        output.append(address)
        output.append("\r\n")
        switch credentials {
        case .instance(let signed):
            output.append(signed.headers)
        case .scope(let scope, let headers, let held):
            switch scope {
            case .network(let id):
                output.append(headers == .ovn ? "X-OVN-Network-ID: " : "X-Neutron-Network-ID: ")
                output.append(id.description)
            case .router(let id):
                output.append("X-Neutron-Router-ID: ")
                output.append(id.description)
            }
            output.append("\r\n")
            if held.milliseconds > 0 {
                output.append("X-Bellhop-Held: ")
                output.append(decimal: held.milliseconds)
                output.append("\r\n")
            }
        }
        switch body {
        case .length(let count):
            writeLength(count, to: &output)
        case .none where head.method != .get && head.method != .head:
            // Nova reads a body-less POST as an error unless its length is given.
            writeLength(0, to: &output)
        case .none:
            break
        }
        output.append("\r\n")
    }

    private static func writeLength(_ count: UInt64, to output: inout ByteQueue) {
        output.append("Content-Length: ")
        output.append(decimal: count)
        output.append("\r\n")
    }
}
