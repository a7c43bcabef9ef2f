import MetadataModel

/// What the tree needs of an HTTP request.
public struct MetadataRequest: Sendable {
    public var method: String
    /// The request target as it was sent: path and query, percent-encoded, or in absolute form.
    public var target: String
    public var body: Body
    /// Where the request came from: what `local-ipv4` says for an instance without fixed IPs.
    public var clientAddress: IPAddress?

    public enum Body: Hashable, Sendable {
        /// Neither a length nor chunked encoding was announced.
        case absent
        case bytes([UInt8])
        /// More than `bytesMax`; the rest was not kept.
        case tooLarge

        /// The longest body that any document takes: Nova keeps a password in four fields of 255.
        public static let bytesMax = 4 * 255
    }

    public init(method: String = "GET", target: String, body: Body = .absent, clientAddress: IPAddress? = nil) {
        self.method = method
        self.target = target
        self.body = body
        self.clientAddress = clientAddress
    }
}
