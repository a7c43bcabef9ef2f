import Glibc
import LinuxHost
import ListenerHandover
import Logging
import OsloLog
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
    /// The agent's own time-outs are shorter and its answer tells more: it may hold a request 8.5 s, and waits
    /// 60 s for Nova. The original waited for ever.
    private static let answerTimeout = LoopSpan.seconds(90)
    /// How long guests wait in the backlog for an agent that has just gone, before they are served from here. An
    /// agent that restarts is back before that.
    private static let patienceMilliseconds = 1_000
    /// An agent that runs answers an offer at once.
    private static let offerMilliseconds = 2_000
    /// Between two offers: at first, while the agent may be restarting, and with an agent that has never taken one.
    private static let shortPauseMilliseconds = 50
    private static let restartPauseMilliseconds = 500
    private static let longPauseMilliseconds = 5_000

    private let settings: ProxySettings
    private let access: AccessLogWriter
    private let logger = ProxyLog.proxy
    private let stopped = StoppedFlag()
    private var doors: [Door]

    private var lease: ListenerLease?
    /// Since when there is no lease.
    private var unleasedSince = MonotonicTime.now
    private var nextOffer = MonotonicTime.now
    private var pauseMilliseconds = shortPauseMilliseconds
    private var hasBeenLeased = false
    private var hasToldRefusal = false

    /// Nil until it is first needed: a proxy that only waits has one thread.
    private var relay: RelayService?
    private var isServing = false

    /// - Parameter listeners: listening descriptors, which belong to the service from now on.
    init(listeners: [CInt], settings: ProxySettings, access: AccessLogWriter) {
        self.settings = settings
        self.access = access
        doors = listeners.map {
            Door(socket: ListeningSocketHandle(adopting: $0), identity: .scope(settings.scope))
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
    func run(until signals: SignalSource, reload: () -> Void) throws(LoopError) -> Bool {
        while true {
            wait(signals)
            while let signal = signals.next() {
                guard signal.endsProgram else {
                    reload()
                    continue
                }
                guard !stopped.isSet else { return false }
                end(signals)
                return true
            }
            if let lease, Self.isReadable(lease.descriptor) { lost() }
            guard lease == nil else { continue }
            if MonotonicTime.now >= nextOffer { offer() }
            let patienceEnds = unleasedSince.advanced(byMilliseconds: Self.patienceMilliseconds)
            if lease == nil, !isServing, MonotonicTime.now >= patienceEnds { try serve() }
        }
    }

    private func wait(_ signals: SignalSource) {
        var entries = [pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0)]
        var timeout: CInt = -1
        if let lease {
            entries.append(pollfd(fd: lease.descriptor, events: Int16(POLLIN), revents: 0))
        } else {
            timeout = MonotonicTime.now.millisecondsUntil(nextOffer)
        }
        _ = poll(&entries, nfds_t(entries.count), timeout)
    }

    private static func isReadable(_ descriptor: CInt) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 0) > 0
    }

    // MARK: The lease

    private func offer() {
        do throws(ListenerLease.Failure) {
            lease = try ListenerLease(
                settings.offer,
                descriptors: doors.map(\.socket.descriptor),
                agentPath: ListenerLease.path(besideAgentSocket: settings.agentSocket),
                milliseconds: Self.offerMilliseconds
            )
            hasToldRefusal = false
            hasBeenLeased = true
            stopServing()
            logger.info("The metadata agent serves the guests", metadata: ["scope": "\(settings.scope)"])
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
        if let started = self.relay { relay = started } else { relay = try start() }
        self.relay = relay
        for door in doors { relay.open(door) }
        isServing = true
        logger.info("Guests are served from here", metadata: ["scope": "\(settings.scope)"])
    }

    /// Connections that stand are served to their end.
    private func stopServing() {
        guard isServing, let relay else { return }
        for door in doors { relay.close(door) }
        isServing = false
    }

    private func start() throws(LoopError) -> RelayService {
        var upstream = UpstreamSettings(
            addresses: FixedAddresses([.unix(path: settings.agentSocket)]),
            host: "169.254.169.254"
        )
        upstream.answerTimeout = Self.answerTimeout
        var relaySettings = RelaySettings()
        relaySettings.hold.durationMax = settings.hold
        let access = access
        let agentSocket = settings.agentSocket
        let relay = try RelayService(
            workers: 1,
            plan: RelayPlan(passage: .relay, upstream: upstream, settings: relaySettings)
        ) { _ in
            ProxyObserver(access: access, agentSocket: agentSocket)
        }
        // The main thread waits for nothing but signals and the lease, so the loop's end has to come as a signal.
        let stopped = stopped
        relay.whenStopped { _ in
            stopped.set()
            kill(getpid(), HostSignal.terminate.number)
        }
        return relay
    }

    // MARK: The end

    private func end(_ signals: SignalSource) {
        if lease != nil {
            // The agent has copies of the sockets. This ends them all, so that a successor gets every new connection.
            for door in doors { shutdown(door.socket.descriptor, CInt(SHUT_RDWR)) }
            lease = nil
        }
        guard let relay else { return }
        // The port is free once the loop has let go of the sockets, too.
        doors = []
        relay.drain(grace: Self.drainGrace)
        // Its own end, or a second signal of somebody who cannot wait.
        while !signals.wait().endsProgram {}
    }
}
