import Glibc

/// What the proxy and its stand-in tell each other when the one becomes the other: three variables of the environment.
///
/// The process stays the same, so its pid, its command line, its descriptors and its blocked signals do too. The two
/// programs may be of different versions, because a proxy outlives an upgrade: each skips lines that it does not know.
public struct StandbyState: Equatable, Sendable {
    /// The program to become again when nobody else serves the guests.
    public var program: String
    /// The agent's socket for requests; the one for listeners is beside it.
    public var agentSocket: String
    /// Listening sockets.
    public var listeners: [CInt]
    /// The connection to the agent; nil in the other direction.
    public var lease: CInt?
    /// The bytes of the offer, which are text.
    public var offer: String
    /// What only the whole proxy understands.
    public var memo: String

    public init(
        program: String,
        agentSocket: String,
        listeners: [CInt],
        lease: CInt?,
        offer: String,
        memo: String = ""
    ) {
        self.program = program
        self.agentSocket = agentSocket
        self.listeners = listeners
        self.lease = lease
        self.offer = offer
        self.memo = memo
    }

    public static let stateVariable = "BELLHOP_STANDBY"
    public static let offerVariable = "BELLHOP_OFFER"
    public static let memoVariable = "BELLHOP_MEMO"

    private static let title = "bellhop-standby 1"

    /// Nil if a path could be taken for a line of its own.
    var text: String? {
        guard !program.utf8.contains(0x0A), !agentSocket.utf8.contains(0x0A) else { return nil }
        var lines = [Self.title, "program \(program)", "agent \(agentSocket)"]
        lines.append("listeners \(listeners.map { String($0) }.joined(separator: " "))")
        if let lease { lines.append("lease \(lease)") }
        return lines.joined(separator: "\n")
    }

    /// Nil for text that is not ours, or of another version.
    init?(text: String, offer: String, memo: String) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.first == Self.title[...] else { return nil }
        var fields: [Substring: Substring] = [:]
        for line in lines.dropFirst() {
            guard let blank = line.firstIndex(of: " ") else { continue }
            fields[line[..<blank]] = line[line.index(after: blank)...]
        }
        guard let program = fields["program"], let agentSocket = fields["agent"], !program.isEmpty,
            let words = fields["listeners"]?.split(separator: " "), !words.isEmpty
        else { return nil }
        // The first three are never sockets.
        let listeners = words.compactMap { CInt($0) }.filter { $0 > 2 }
        guard listeners.count == words.count else { return nil }
        var lease: CInt?
        if let word = fields["lease"] {
            guard let number = CInt(word), number > 2 else { return nil }
            lease = number
        }
        self.init(
            program: String(program),
            agentSocket: String(agentSocket),
            listeners: listeners,
            lease: lease,
            offer: offer,
            memo: memo
        )
    }

    /// What a predecessor in this process has left, or nil if there was none.
    public static func inherited() -> StandbyState? {
        guard let text = getenv(stateVariable), let offer = getenv(offerVariable) else { return nil }
        let memo = getenv(memoVariable).map { String(cString: $0) } ?? ""
        let state = StandbyState(text: String(cString: text), offer: String(cString: offer), memo: memo)
        // Variables that came from elsewhere have no sockets behind them.
        guard let state, state.listeners.allSatisfy(isListening) else { return nil }
        return state
    }

    private static func isListening(_ descriptor: CInt) -> Bool {
        var value: CInt = 0
        var size = socklen_t(MemoryLayout<CInt>.size)
        return getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value == 1
    }

    /// Forgets what was inherited, so that nobody inherits it from us, and closes its descriptors on exec.
    public func adopt() {
        for name in [Self.stateVariable, Self.offerVariable, Self.memoVariable] { unsetenv(name) }
        setInheritance(false)
    }

    /// Becomes another program. Returns only if that is impossible, with everything as before.
    public func become(_ path: String) {
        guard let text else { return }
        setenv(Self.stateVariable, text, 1)
        setenv(Self.offerVariable, offer, 1)
        setenv(Self.memoVariable, memo, 1)
        setInheritance(true)
        execv(path, CommandLine.unsafeArgv)
        let reason = errno
        adopt()
        errno = reason
    }

    private func setInheritance(_ isOn: Bool) {
        for descriptor in listeners + (lease.map { [$0] } ?? []) {
            _ = fcntl(descriptor, F_SETFD, isOn ? 0 : FD_CLOEXEC)
        }
    }
}
