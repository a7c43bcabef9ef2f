import Glibc
import LinuxHost
import OsloLog
import RelayLoop
import RequestPath

/// The serving proxy: one relay loop between the guests' port and the agent's socket.
struct ProxyService {
    /// How long requests in flight may take to finish after SIGTERM. Agents wait at most five seconds before
    /// they kill, and a successor may want the port at once, which is free as soon as draining begins.
    private static let drainGrace = LoopSpan.seconds(2)
    /// The agent's own time-outs are shorter and its answer tells more: it may hold a request 8.5 s, and waits
    /// 60 s for Nova. The original waited for ever.
    private static let answerTimeout = LoopSpan.seconds(90)

    private let relay: RelayService

    /// Starts serving on a listening descriptor, which belongs to the service from now on.
    ///
    /// Starts the process's first other thread: forking and blocking signals must have happened before.
    init(listener: CInt, settings: ProxySettings, access: AccessLogWriter) throws(LoopError) {
        var upstream = UpstreamSettings(
            addresses: FixedAddresses([.unix(path: settings.agentSocket)]),
            host: "169.254.169.254"
        )
        upstream.answerTimeout = Self.answerTimeout
        var relaySettings = RelaySettings()
        relaySettings.hold.durationMax = settings.hold
        let agentSocket = settings.agentSocket
        let socket = ListeningSocketHandle(adopting: listener)
        relay = try RelayService(
            workers: 1,
            plan: RelayPlan(passage: .relay, upstream: upstream, settings: relaySettings)
        ) { _ in
            ProxyObserver(access: access, agentSocket: agentSocket)
        }
        relay.open(Door(socket: socket, identity: .scope(settings.scope)))
    }

    /// Serves until a signal asks for the end or the relay loop gives up.
    ///
    /// - Parameter reload: called for SIGHUP.
    /// - Returns: false if the loop ended by itself.
    func run(until signals: SignalSource, reload: () -> Void) -> Bool {
        // The main thread waits for nothing but signals, so the loop's end has to come as one.
        let stopped = StoppedFlag()
        relay.whenStopped { _ in
            stopped.set()
            kill(getpid(), HostSignal.terminate.number)
        }
        while true {
            switch signals.wait() {
            case .hangUp: reload()
            case .terminate, .interrupt:
                guard !stopped.isSet else { return false }
                relay.drain(grace: Self.drainGrace)
                // Its own end, or a second signal of somebody who cannot wait.
                while !signals.wait().endsProgram {}
                return true
            }
        }
    }
}
