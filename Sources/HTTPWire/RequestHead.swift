/// What a request's head says, as far as the metadata service cares: where its parts stand in the bytes, how its body
/// is framed, and the headers by which a trusted hop says who is asking. All other headers were checked and are not
/// reported, because none is ever forwarded.
///
/// All ranges lie inside the first `byteCount` of the bytes that were scanned.
public struct RequestHead: Hashable, Sendable {
    /// The methods of RFC 9110 and RFC 5789. Names are case-sensitive: `get` is `other`.
    public enum Method: UInt8, Sendable {
        case get, head, post, put, delete, options, patch, trace, connect, other
    }

    /// A header that may be there once: two of them, or a value with a comma, are `repeated`, because then somebody
    /// else wrote one (LP 1865036). An empty value counts as absent.
    public enum Field: Hashable, Sendable {
        case absent
        case one(ByteRange)
        case repeated
    }

    public var method: Method
    /// The method as it was written.
    public var methodRange: ByteRange
    /// Path and query as they were written, to be forwarded byte by byte: visible ASCII without `#`.
    ///
    /// Scheme and authority of an absolute-form target are left out, so `targetLacksPath` can be true. For `OPTIONS *`
    /// it is `*`, for CONNECT the host and port.
    public var target: ByteRange
    /// True if the absolute form had no path (`http://host`, `http://host?query`): `target` is then empty or begins
    /// with `?`, and whoever forwards it writes `/` first.
    public var targetLacksPath: Bool
    /// The whole request line without its line end, for the access log. No byte of it is a control byte.
    public var line: ByteRange
    /// 0 or 1; HTTP/1.2 and later count as 1.1.
    public var minorVersion: Int
    /// Bytes of the head, including the empty line at its end and empty lines in front.
    public var byteCount: Int
    /// `none`, `length` or `chunked`.
    public var framing: BodyFraming
    /// Whether the connection may carry another request after this one.
    public var keepsAlive: Bool
    /// True if the sender waits for `100 Continue` before it sends the body; never in HTTP/1.0 or without a body.
    public var expectsContinue: Bool
    /// `X-Neutron-Network-ID`.
    public var networkID: Field
    /// `X-Neutron-Router-ID`.
    public var routerID: Field
    /// The last element of the last `X-Forwarded-For`: the address that the hop next to us saw. Nil if that header is
    /// absent, or if this element is empty (what stands before it is the guest's own writing).
    public var forwardedFor: ByteRange?
    /// True if `X-Forwarded-For` had more than one element, empty ones counted, over all its lines.
    public var forwardedForIsList: Bool
    /// `X-Bellhop-Held`, the last one: how long our own hop before us has held this request. Not checked to be a
    /// number; nil if empty.
    public var heldMilliseconds: ByteRange?
}

extension RequestHead {
    /// What a scanner fills in line by line.
    init() {
        let nowhere = ByteRange(start: 0, count: 0)
        method = .other
        methodRange = nowhere
        target = nowhere
        targetLacksPath = false
        line = nowhere
        minorVersion = 1
        byteCount = 0
        framing = .none
        keepsAlive = false
        expectsContinue = false
        networkID = .absent
        routerID = .absent
        forwardedFor = nil
        forwardedForIsList = false
        heldMilliseconds = nil
    }
}

extension RequestHead.Field {
    /// Takes one more line with this header into account.
    mutating func add(_ value: ByteRange, in bytes: Span<UInt8>) {
        guard !value.isEmpty else { return }
        if self == .absent, value.firstOffset(of: Octet.comma, in: bytes) == nil {
            self = .one(value)
        } else {
            self = .repeated
        }
    }
}
