import LinuxHost
import RelayLoop
import RequestPath
import ServiceLifecycle

/// The UNIX socket that namespace proxies connect to: opened at the start, and drained at the end.
struct SocketDoor: Service {
    /// How long requests in flight may take to finish after SIGTERM: longer than any hold, and well within the
    /// 90 seconds after which systemd would kill the process.
    private static let drainGrace = LoopSpan.seconds(40)

    let core: AgentCore
    let listener: UnixListener

    func run() async throws {
        let systemd = SystemdNotifier()
        core.relay.open(Door(socket: ListeningSocketHandle(adopting: listener.descriptor), identity: .headers))
        systemd.ready()
        let wasAsked = await withGracefulShutdownHandler {
            await withCheckedContinuation { continuation in
                core.relay.whenStopped { wasDrained in continuation.resume(returning: wasDrained) }
            }
        } onGracefulShutdown: {
            systemd.stopping()
            // The name goes first, so that a successor's own socket is never removed.
            listener.unlinkIfOurs()
            core.relay.drain(grace: Self.drainGrace)
        }
        listener.unlinkIfOurs()
        // systemd restarts a service that failed, not one that stopped.
        guard wasAsked else { throw RelayEnded() }
    }
}

/// The relay loops ended though nobody asked them to; the log has the reason.
struct RelayEnded: Error, CustomStringConvertible {
    let description = "The relay loops ended by themselves; see the lines before."
}
