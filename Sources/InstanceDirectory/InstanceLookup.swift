import Logging
import MetadataModel
import Synchronization

/// The one way to ask "who is asking?": a directory, and in front of it what keeps a storm of requests from
/// becoming a storm of questions.
///
/// A booting guest sends some thirty requests, and ten thousand guests may boot at once. Equal claims share
/// one lookup, found instances answer later requests for the configured time, and questions to the directory
/// are bounded in number and time. "Nobody" is never stored as an answer: a guest may ask before its port
/// exists, so it only spaces the lookups out. The rules are in `LookupBook`; this type adds the lock, the
/// tasks and the clock.
public final class InstanceLookup: Sendable {
    private struct State {
        var book: LookupBook
        var nextCallerID: LookupBook.CallerID = 0
        var callers: [LookupBook.CallerID: CheckedContinuation<LookupBook.Outcome, Never>] = [:]
        /// The question and its time limit, by lookup.
        var tasks: [UInt64: (question: Task<Void, Never>, limit: Task<Void, Never>)] = [:]
        var failureLog = FailureLog()
    }

    private let directory: any InstanceDirectory
    private let lookupTimeout: Duration
    private let logger: Logger
    private let now: @Sendable () -> Duration
    private let sleep: @Sendable (Duration) async throws -> Void
    private let state: Mutex<State>

    /// - Parameter clock: Must not go back. `ContinuousClock` outside tests.
    public init(
        directory: any InstanceDirectory,
        settings: Settings,
        clock: some Clock<Duration>,
        logger: Logger
    ) {
        self.directory = directory
        self.logger = logger
        lookupTimeout = settings.lookupTimeout
        let start = clock.now
        now = { start.duration(to: clock.now) }
        sleep = { try await clock.sleep(for: $0) }
        state = Mutex(State(book: LookupBook(settings: settings)))
    }

    /// The answer to `claim`, at once if it is stored, otherwise from a lookup that equal claims share.
    ///
    /// Cancelling the calling task ends its waiting with `.unavailable` and nobody else's.
    public func find(_ claim: Claim, _ freshness: Freshness) async -> Result<Answer, DirectoryError> {
        let (remembered, caller) = state.withLock { state in
            state.nextCallerID += 1
            return (state.book.remembered(claim, freshness, now: now()), state.nextCallerID)
        }
        if let remembered { return remembered }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                ask(claim, freshness, caller: caller, continuation)
            }
        } onCancel: {
            let continuation = state.withLock { state in
                state.book.abandon(caller) ? state.callers.removeValue(forKey: caller) : nil
            }
            continuation?.resume(returning: .failure(Self.givenUp))
        }
    }

    /// Forgets every stored answer. Lookups that run now still answer those who wait for them already, but
    /// what they find is not stored.
    public func removeAll() {
        state.withLock { $0.book.removeAll() }
    }

    public var counters: Counters { state.withLock { $0.book.counters } }

    private static let givenUp = DirectoryError(.unavailable, "The request was given up while it waited for a lookup.")

    private func ask(
        _ claim: Claim,
        _ freshness: Freshness,
        caller: LookupBook.CallerID,
        _ continuation: CheckedContinuation<LookupBook.Outcome, Never>
    ) {
        let answer = state.withLock { state -> LookupBook.Outcome? in
            // The flag is set before the cancellation handler runs, so a cancellation is seen here or there.
            if Task.isCancelled { return .failure(Self.givenUp) }
            switch state.book.ask(claim, freshness, caller: caller, now: now()) {
            case .answer(let outcome): return outcome
            case .wait(let starts):
                state.callers[caller] = continuation
                begin(starts, &state)
                return nil
            }
        }
        if let answer { continuation.resume(returning: answer) }
    }

    /// Whichever of the two tasks ends first finishes the lookup. They are not in one task group, which would
    /// wait for a question that does not heed its cancellation.
    private func begin(_ starts: [LookupBook.Start], _ state: inout State) {
        for start in starts {
            let question = Task {
                let result: Result<Finding, DirectoryError>
                do throws(DirectoryError) {
                    result = .success(try await self.directory.find(start.claim))
                } catch {
                    result = .failure(error)
                }
                self.finish(start, with: result)
            }
            let limit = Task {
                guard (try? await self.sleep(self.lookupTimeout)) != nil else { return }
                self.finish(
                    start,
                    with: .failure(
                        DirectoryError(
                            .timeout,
                            "The \(self.directory.name) directory did not answer within \(self.lookupTimeout)."
                        )
                    )
                )
            }
            state.tasks[start.lookup] = (question, limit)
        }
    }

    private func finish(_ start: LookupBook.Start, with result: Result<Finding, DirectoryError>) {
        let time = now()
        let ended = state.withLock { state -> (Ended, FailureLog.Line?)? in
            guard let ending = state.book.finish(start, with: result, now: time) else { return nil }
            let tasks = state.tasks.removeValue(forKey: start.lookup)
            let callers = ending.answered.compactMap { state.callers.removeValue(forKey: $0) }
            begin(ending.starts, &state)
            let ended = Ended(outcome: ending.outcome, callers: callers, question: tasks?.question, limit: tasks?.limit)
            return (ended, state.failureLog.line(for: result, now: time))
        }
        guard let (ended, line) = ended else { return }
        ended.question?.cancel()
        ended.limit?.cancel()
        // The reason first, so that it stands before the lines of the requests that end by it.
        log(start.claim, result, ended.outcome, line)
        for caller in ended.callers { caller.resume(returning: ended.outcome) }
    }

    private struct Ended {
        var outcome: LookupBook.Outcome
        var callers: [CheckedContinuation<LookupBook.Outcome, Never>]
        var question: Task<Void, Never>?
        var limit: Task<Void, Never>?
    }

    private func log(
        _ claim: Claim,
        _ result: Result<Finding, DirectoryError>,
        _ outcome: LookupBook.Outcome,
        _ line: FailureLog.Line?
    ) {
        switch line {
        case .failing(let error):
            logger.warning(
                "Looking up instances fails",
                metadata: ["directory": "\(directory.name)", "reason": "\(error)"]
            )
        case .recovered:
            logger.info("Looking up instances works again", metadata: ["directory": "\(directory.name)"])
        case nil: break
        }
        logger.debug(
            "Lookup finished",
            metadata: [
                "directory": "\(directory.name)", "claim": "\(claim)",
                "took": "\((try? outcome.get().askedAgo) ?? .zero)",
                "result": "\(result)",
            ]
        )
    }
}
