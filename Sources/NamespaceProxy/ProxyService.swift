import Glibc
import LinuxHost
import ListenerHandover
import Logging
import RelayLoop
import RequestPath

/// The running proxy. It lends its listening sockets to the agent, which then serves the guests itself, and waits.
///
/// With an agent that does not take them, or while ours is away, it serves by itself: one relay loop between the
/// sockets and the agent's UNIX socket. It keeps the sockets all the time, so that no guest is turned away in between.
final class ProxyService {
    /// How long requests in flight may take to finish after SIGTERM. Agents wait at most five seconds before
    /// they kill, and a successor may want the port at once, which is free as soon as draining begins.
    private static let drainGrace = LoopSpan.seconds(2)
    /// The same after SIGUSR1, which asks for a soft stop.
    private static let finishGrace = LoopSpan.seconds(90)
    /// How long guests wait in the backlog for an agent that has just gone, before they are served from here. An
    /// agent that restarts is back before that.
    private static let patienceMilliseconds = 1_000
    /// An agent that runs answers an offer at once.
    private static let offerMilliseconds = 2_000
    /// Between two offers: at first, while the agent may be restarting, and with an agent that has never taken one.
    private static let shortPauseMilliseconds = 50
    private static let restartPauseMilliseconds = 500
    private static let longPauseMilliseconds = 5_000

    private let duty: ProxyDuty
    private let signals: SignalSource
    private let observer: @Sendable () -> any RelayObserver
    private let logger = ProxyLog.proxy
    /// The program to become while the agent serves the guests; nil if there is none.
    private let standby: StandbyProgram?
    private var doors: [Door]

    private var lease: ListenerLease?
    /// Since when there is no lease.
    private var unleasedSince = MonotonicTime.now
    private var nextOffer = MonotonicTime.now
    private var pauseMilliseconds = shortPauseMilliseconds
    private var hasBeenLeased: Bool
    private var hasToldRefusal = false

    /// Nil until it is first needed: a proxy that only waits has one thread.
    private var relay: RelayService?
    private var stopped: StoppedFlag?
    private var isServing = false
    /// Whether the loop was told to end when its connections have ended.
    private var isRelayEnding = false

    /// - Parameters:
    ///   - listeners: listening descriptors, which belong to the service from now on.
    ///   - signals: those that ask for the end, and SIGHUP.
    ///   - standby: what this process becomes while the agent serves the guests.
    ///   - hasBeenLeased: whether the agent is known to take listeners, because it had them before.
    ///   - observer: makes the observer of the relay loop, on its thread.
    init(
        listeners: [CInt],
        duty: ProxyDuty,
        signals: SignalSource,
        standby: StandbyProgram? = nil,
        hasBeenLeased: Bool = false,
        observer: @escaping @Sendable () -> any RelayObserver
    ) {
        self.duty = duty
        self.signals = signals
        self.standby = standby
        self.hasBeenLeased = hasBeenLeased
        self.observer = observer
        let limits = duty.offer.limits
        doors = listeners.map {
            Door(
                socket: ListeningSocketHandle(adopting: $0),
                identity: .scope(duty.scope),
                limits: limits
            )
        }
    }

    /// Finds somebody to serve the guests: the agent, or this process.
    ///
    /// May start the process's first other thread: forking and blocking signals must have happened before.
    func begin() throws(LoopError) {
        offer()
        if lease == nil { try serve() }
    }

    /// Waits, or serves, until a signal asks for the end or the relay loop gives up.
    ///
    /// - Parameter reload: called for SIGHUP.
    /// - Returns: false if the loop ended by itself.
    func run(reload: () -> Void) throws(LoopError) -> Bool {
        while true {
            standByIfIdle()
            wait()
            while let signal = signals.next() {
                guard signal.endsProgram else {
                    reload()
                    continue
                }
                end(grace: signal == .finish ? Self.finishGrace : Self.drainGrace)
                return true
            }
            if let stopped, stopped.isSet {
                // The loop has served its last connection, as it was told to, or has failed.
                guard isRelayEnding else { return false }
                relay = nil
                self.stopped = nil
                isRelayEnding = false
            }
            if let lease, isReadable(lease.descriptor) { lost() }
            guard lease == nil else { continue }
            if MonotonicTime.now >= nextOffer { offer() }
            let patienceEnds = unleasedSince.advanced(byMilliseconds: Self.patienceMilliseconds)
            if lease == nil, !isServing, MonotonicTime.now >= patienceEnds { try serve() }
        }
    }

    private func wait() {
        var descriptors = [signals.descriptor]
        if let stopped { descriptors.append(stopped.descriptor) }
        if let lease { descriptors.append(lease.descriptor) }
        waitUntilReadable(
            descriptors,
            milliseconds: lease == nil ? MonotonicTime.now.millisecondsUntil(nextOffer) : -1
        )
    }

    // MARK: The lease

    private func offer() {
        do throws(ListenerLease.Failure) {
            lease = try ListenerLease(
                duty.offer,
                descriptors: doors.map(\.socket.descriptor),
                agentPath: ListenerLease.path(besideAgentSocket: duty.agentSocket),
                milliseconds: Self.offerMilliseconds,
                unlessReadable: signals.descriptor
            )
            hasToldRefusal = false
            hasBeenLeased = true
            stopServing()
            logger.info("The metadata agent serves the guests", metadata: ["scope": "\(duty.scope)"])
        } catch {
            if case .refused(let why) = error, !hasToldRefusal {
                hasToldRefusal = true
                logger.warning(
                    "The metadata agent does not take the listener; requests are relayed to it",
                    metadata: ["reason": "\(why)"]
                )
            }
            nextOffer = MonotonicTime.now.advanced(byMilliseconds: pauseMilliseconds)
            pauseMilliseconds = min(
                pauseMilliseconds * 2,
                hasBeenLeased ? Self.restartPauseMilliseconds : Self.longPauseMilliseconds
            )
        }
    }

    private func lost() {
        lease = nil
        unleasedSince = .now
        nextOffer = .now
        pauseMilliseconds = Self.shortPauseMilliseconds
        logger.info("The metadata agent has given the listener back")
    }

    // MARK: Serving from here

    private func serve() throws(LoopError) {
        let relay: RelayService
        // One that is ending takes no door any more; its connections go on.
        if let started = self.relay, !isRelayEnding { relay = started } else { relay = try start() }
        isRelayEnding = false
        self.relay = relay
        for door in doors { relay.open(door) }
        isServing = true
        logger.info("Guests are served from here", metadata: ["scope": "\(duty.scope)"])
    }

    /// Connections that stand are served to their end.
    private func stopServing() {
        guard isServing, let relay else { return }
        for door in doors { relay.close(door) }
        isServing = false
        guard standby != nil else { return }
        // Only a process without a loop can stand by.
        isRelayEnding = true
        relay.drain(grace: Self.finishGrace)
    }

    private func standByIfIdle() {
        guard let standby, let lease, relay == nil else { return }
        standby.become(lease: lease.descriptor, listeners: doors.map(\.socket.descriptor), duty: duty)
    }

    private func start() throws(LoopError) -> RelayService {
        var upstream = UpstreamSettings(
            addresses: FixedAddresses([.unix(path: duty.agentSocket)]),
            host: "169.254.169.254"
        )
        upstream.answerTimeout = duty.answerTimeout
        if let timeout = duty.connectTimeout { upstream.connectTimeout = timeout }
        var relaySettings = RelaySettings()
        relaySettings.hold.durationMax = duty.hold
        relaySettings.scopeHeaders = duty.offer.headerFamily == .ovn ? .ovn : .neutron
        let observer = observer
        let relay = try RelayService(
            workers: 1,
            plan: RelayPlan(passage: .relay, upstream: upstream, settings: relaySettings)
        ) { _ in
            observer()
        }
        let stopped = try StoppedFlag()
        self.stopped = stopped
        relay.whenStopped { _ in stopped.set() }
        return relay
    }

    // MARK: The end

    private func end(grace: LoopSpan) {
        if lease != nil {
            // The agent has copies of the sockets. This ends them all, so that a successor gets every new connection.
            for door in doors { shutdown(door.socket.descriptor, CInt(SHUT_RDWR)) }
            lease = nil
        }
        guard let relay else { return }
        // The port is free once the loop has let go of the sockets, too.
        doors = []
        relay.drain(grace: grace)
        // Its own end, or a second signal of somebody who cannot wait.
        while let stopped, !stopped.isSet {
            waitUntilReadable([signals.descriptor, stopped.descriptor])
            while let signal = signals.next() {
                if signal.endsProgram { return }
            }
        }
    }
}
