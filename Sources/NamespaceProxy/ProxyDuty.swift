import ListenerHandover
import MetadataModel
import RelayLoop
import RequestPath

/// What a proxy serves, under either of its names: whose guests, by way of which agent, within which limits.
struct ProxyDuty {
    /// What the agent is told about our sockets; the same limits hold when we serve by ourselves.
    var offer: ListenerOffer
    /// The agent's UNIX socket for requests.
    var agentSocket: String
    /// How long a request may wait for an agent that is away.
    var hold: LoopSpan
    /// The agent's own time-outs are shorter and its answer tells more: it may hold a request 8.5 s, and waits 60 s
    /// for Nova. Neutron's own proxy waited for ever.
    var answerTimeout = LoopSpan.seconds(90)
    /// For the agent to take a connection.
    var connectTimeout: LoopSpan?

    var scope: Scope { offer.scope }
}

extension ProxyDuty {
    init(_ settings: ProxySettings) {
        self.init(
            offer: ListenerOffer(scope: settings.scope),
            agentSocket: settings.agentSocket,
            hold: settings.hold
        )
    }
}
