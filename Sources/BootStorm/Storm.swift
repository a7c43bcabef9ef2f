import LinuxHost
import RelayLoop

/// Runs a storm on a thread of its own, which ends with it: guests boot, poll or misbehave against metadata services,
/// and a report says how they fared. Nothing else of the process is touched.
public enum Storm {
    /// What the storm tells while it runs, from its own thread.
    public struct Listener: Sendable {
        public var progressEvery: LoopSpan
        public var progress: @Sendable (StormReport) -> Void
        /// Each boot as it ends; nil if nobody wants to know.
        public var boot: (@Sendable (BootDetail) -> Void)?

        public init(
            progressEvery: LoopSpan,
            progress: @escaping @Sendable (StormReport) -> Void,
            boot: (@Sendable (BootDetail) -> Void)? = nil
        ) {
            self.progressEvery = progressEvery
            self.progress = progress
            self.boot = boot
        }
    }

    /// Raises the limit of open files, checks the plan, and runs it to its end.
    ///
    /// - Parameter signals: the source of the process, if TERM and INT should end the storm early.
    /// - Throws: `StormError` if it cannot be run. What goes wrong while it runs is in the report.
    public static func run(
        _ plan: StormPlan,
        signals: SignalSource? = nil,
        listener: Listener
    ) async throws(StormError) -> StormReport {
        try plan.validated(openFilesMax: FileLimits.raise() ?? 1_024)
        let result: Result<StormReport, StormError> = await withCheckedContinuation { continuation in
            do throws(LoopError) {
                try LoopThread.start(name: "storm") { continuation.resume(returning: runHere(plan, signals, listener)) }
            } catch {
                continuation.resume(returning: .failure(StormError("\(error).")))
            }
        }
        return try result.get()
    }

    private static func runHere(
        _ plan: StormPlan,
        _ signals: SignalSource?,
        _ listener: Listener
    ) -> Result<StormReport, StormError> {
        do throws(StormError) {
            let storm = try StormLoop(plan, details: listener.boot)
            return .success(
                try storm.run(signals: signals, progressEvery: listener.progressEvery, progress: listener.progress)
            )
        } catch {
            return .failure(error)
        }
    }
}
