import Glibc

/// What the proxy and its stand-in tell each other when the one becomes the other: two variables of the environment.
///
/// The process stays the same, so its pid, its command line, its descriptors and its blocked signals do too.
public struct StandbyState: Equatable, Sendable {
    /// The agent's socket for listeners.
    public var agentPath: String
    /// The program to become again when nobody else serves the guests.
    public var program: String
    /// The agent's socket for requests.
    public var agentSocket: String
    /// Listening sockets.
    public var listeners: [CInt]
    /// The connection to the agent; nil in the other direction.
    public var lease: CInt?
    /// The bytes of the offer, which are text.
    public var offer: String

    public init(
        agentPath: String,
        program: String,
        agentSocket: String,
        listeners: [CInt],
        lease: CInt?,
        offer: String
    ) {
        self.agentPath = agentPath
        self.program = program
        self.agentSocket = agentSocket
        self.listeners = listeners
        self.lease = lease
        self.offer = offer
    }

    public static let stateVariable = "BELLHOP_STANDBY"
    public static let offerVariable = "BELLHOP_OFFER"

    /// Paths first: they may hold anything but a line feed.
    private var text: String {
        let numbers = ([lease ?? -1] + listeners).map { String($0) }.joined(separator: " ")
        return "\(numbers)\n\(agentPath)\n\(program)\n\(agentSocket)"
    }

    /// What a predecessor has left, or nil if there was none.
    public static func inherited() -> StandbyState? {
        guard let state = getenv(stateVariable), let offer = getenv(offerVariable) else { return nil }
        let lines = String(cString: state).split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count == 4 else { return nil }
        let numbers = lines[0].split(separator: " ").compactMap { CInt($0) }
        guard numbers.count > 1, numbers.dropFirst().allSatisfy({ $0 > 2 }) else { return nil }
        return StandbyState(
            agentPath: String(lines[1]),
            program: String(lines[2]),
            agentSocket: String(lines[3]),
            listeners: Array(numbers.dropFirst()),
            lease: numbers[0] >= 0 ? numbers[0] : nil,
            offer: String(cString: offer)
        )
    }

    /// Forgets what was inherited, so that nobody inherits it from us, and closes its descriptors on exec.
    public func adopt() {
        unsetenv(Self.stateVariable)
        unsetenv(Self.offerVariable)
        setInheritance(false)
    }

    /// Becomes another program. Returns only if that is impossible, with everything as before.
    public func become(_ path: String) {
        setenv(Self.stateVariable, text, 1)
        setenv(Self.offerVariable, offer, 1)
        setInheritance(true)
        execv(path, CommandLine.unsafeArgv)
        adopt()
    }

    private func setInheritance(_ isOn: Bool) {
        for descriptor in listeners + (lease.map { [$0] } ?? []) {
            _ = fcntl(descriptor, F_SETFD, isOn ? 0 : FD_CLOEXEC)
        }
    }
}
