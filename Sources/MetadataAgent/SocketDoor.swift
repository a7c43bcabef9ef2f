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
        await withGracefulShutdownHandler {
            await withCheckedContinuation { continuation in
                core.relay.whenStopped { continuation.resume() }
            }
        } onGracefulShutdown: {
            systemd.stopping()
            // The name goes first, so that a successor's own socket is never removed.
            listener.unlinkIfOurs()
            core.relay.drain(grace: Self.drainGrace)
        }
        listener.unlinkIfOurs()
    }
}
