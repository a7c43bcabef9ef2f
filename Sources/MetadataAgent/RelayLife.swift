import RequestPath
import ServiceLifecycle

extension RelayService {
    /// Waits until all relay loops have stopped.
    ///
    /// - Parameter stop: begins that. Called when the service group shuts down, and also when it cancels its services
    ///   because another one has failed: nothing else would ever end the loops then.
    /// - Throws: `RelayEnded` if they ended though nobody asked them to.
    public func untilStopped(stop: @escaping @Sendable () -> Void) async throws(RelayEnded) {
        let wasAsked = await withTaskCancellationHandler {
            await withGracefulShutdownHandler {
                await withCheckedContinuation { continuation in
                    whenStopped { wasDrained in continuation.resume(returning: wasDrained) }
                }
            } onGracefulShutdown: {
                stop()
            }
        } onCancel: {
            stop()
        }
        // systemd restarts a service that failed, not one that stopped.
        guard wasAsked else { throw RelayEnded() }
    }
}

/// The relay loops ended though nobody asked them to; the log has the reason.
public struct RelayEnded: Error, CustomStringConvertible {
    public let description = "The relay loops ended by themselves; see the lines before."
}
