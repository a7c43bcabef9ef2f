import Glibc
import LinuxHost
import ListenerHandover
import Logging
import RelayLoop
import RequestPath
import ServiceLifecycle

/// The UNIX sockets that namespace proxies connect to, one for requests and one to hand over listeners: opened at the
/// start, and drained at the end.
struct SocketDoor: Service {
    let core: AgentCore
    /// How long requests in flight may take to finish after SIGTERM.
    let drainGrace: LoopSpan
    let listener: UnixListener
    /// Nil if listeners are not taken over.
    let desk: OpenDesk?

    /// Where listeners are handed over.
    struct OpenDesk {
        let listener: UnixListener
        let desk: ListenerDesk
    }

    func run() async throws {
        core.relay.open(Door(socket: ListeningSocketHandle(adopting: listener.descriptor), identity: .headers))
        SystemdNotifier().ready()
        try await core.relay.untilStopped {
            SystemdNotifier().stopping()
            // The name goes first, so that a successor's own socket is never removed.
            listener.unlinkIfOurs()
            desk?.listener.unlinkIfOurs()
            core.relay.drain(grace: drainGrace)
            // Guests that knock from now on wait until the next agent, or their proxy, takes them.
            desk?.desk.stop()
        }
        listener.unlinkIfOurs()
        desk?.listener.unlinkIfOurs()
    }
}

extension SocketDoor.OpenDesk {
    /// Opens the socket beside the one for requests, with its rights, and starts taking listeners.
    ///
    /// - Throws: `HostError`, `LoopError`.
    init?(_ settings: AgentSettings, relay: RelayService) throws {
        guard settings.takesListeners else { return nil }
        let path = ListenerLease.path(besideAgentSocket: settings.socketPath)
        // A process number is appended while it is made.
        guard path.utf8.count + 8 <= UnixListener.pathBytesMax else {
            AgentLog.agent.warning("Listeners are not taken over: the path of metadata_proxy_socket is too long for it")
            return nil
        }
        listener = try UnixListener.open(
            path: path,
            permissions: settings.socketPermissions,
            backlog: settings.backlog,
            kind: .packets
        )
        var users: Set<uid_t> = []
        // An unknown user makes no proxy, so there is nobody to admit.
        if !settings.proxyUser.isEmpty, let id = try? Account.userID(settings.proxyUser) { users.insert(id) }
        desk = try ListenerDesk(
            socket: ListeningSocketHandle(adopting: listener.descriptor),
            relay: relay,
            users: users,
            logger: AgentLog.agent
        )
    }
}
