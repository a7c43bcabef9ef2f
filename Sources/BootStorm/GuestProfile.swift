import RelayLoop

/// How patient a guest is: the rules of one generation of cloud-init's OpenStack data source, as its code has them.
///
/// The generations differ in what an error means. Up to 24.x the first question ("is this OpenStack?") is asked once,
/// and any answer but a good one makes the guest boot without its data; so does a document that fails with a status.
/// Since 25.1 a 503 to the first question makes it wait as long as `Retry-After` says and ask again, without end, and
/// documents are asked for again after the statuses of an overloaded server.
public struct GuestProfile: Hashable, Sendable {
    /// The name on the command line.
    public var name: String
    public var userAgent: String
    /// A request is given up when nothing came for so long: no connection, or no further byte.
    public var silenceMax = LoopSpan.seconds(10)
    /// Attempts for a document or an item of the EC2 tree, the first included.
    public var attemptsMax = 6
    /// Between two attempts.
    public var pause = LoopSpan.seconds(1)

    /// The data source asks a link-local IPv6 address first and the IPv4 one so much later, whatever became of the first.
    public var secondAddressDelay = LoopSpan.zero
    /// The first question gets this much from its beginning to its end, both addresses together; nil for `silenceMax`.
    public var probeTotalMax: LoopSpan?
    /// A 503 makes it wait for `Retry-After`, both at the first question and in the EC2 tree.
    public var waitsAfter503: Bool
    /// Statuses after which a document is asked for again.
    public var repeatedStatuses: Set<Int>
    /// Whether a body that ends before its announced length is an error. urllib3 looks since its release 2.
    public var noticesShortBodies: Bool

    public static let all: [GuestProfile] = [.release22, .release26]

    /// Debian 12's 22.4.2; the same rules hold from 20.x to 24.x.
    public static let release22 = GuestProfile(
        name: "cloud-init-22.4",
        userAgent: "Cloud-Init/22.4.2",
        waitsAfter503: false,
        repeatedStatuses: [],
        noticesShortBodies: false
    )

    /// 26.2; the same rules hold since 25.1.
    public static let release26 = GuestProfile(
        name: "cloud-init-26",
        userAgent: "Cloud-Init/26.2",
        secondAddressDelay: .milliseconds(150),
        probeTotalMax: .seconds(10),
        waitsAfter503: true,
        repeatedStatuses: [408, 429, 500, 502, 503, 504],
        noticesShortBodies: true
    )
}

/// How long a request may take before the guest gives it up.
public struct Patience: Hashable, Sendable {
    /// From the last sign of life: the beginning, the connection, each piece of the answer.
    public var silence: LoopSpan
    /// From the beginning; nil for no such limit.
    public var total: LoopSpan?

    public init(silence: LoopSpan, total: LoopSpan? = nil) {
        self.silence = silence
        self.total = total
    }
}
