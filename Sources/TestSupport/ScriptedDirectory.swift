import InstanceDirectory
import MetadataModel
import Synchronization

/// A directory that answers what a test told it to, counts the questions, and can be made to hold them.
public final class ScriptedDirectory: InstanceDirectory {
    public typealias Reply = Result<Finding, DirectoryError>

    private struct Held {
        var claim: Claim
        var continuation: CheckedContinuation<Reply, Never>
    }

    private struct State {
        var otherwise: Reply
        var script: [Claim: [Reply]] = [:]
        var isHolding = false
        var ignoresCancellation = false
        var nextID: UInt64 = 0
        var held: [UInt64: Held] = [:]
        var asked: [Claim] = []
        var cancelled = 0

        /// The scripted replies are used up one by one; the last one stays.
        mutating func reply(to claim: Claim) -> Reply {
            guard var replies = script[claim], let first = replies.first else { return otherwise }
            if replies.count > 1 {
                replies.removeFirst()
                script[claim] = replies
            }
            return first
        }
    }

    public let name: String
    private let state: Mutex<State>

    /// - Parameter otherwise: The reply to every claim that has none of its own.
    public init(name: String = "scripted", otherwise: Reply = .success(.nobody(.noPort))) {
        self.name = name
        state = Mutex(State(otherwise: otherwise))
    }

    /// Replies to `claim`, one per question; the last one is repeated for ever.
    public func answer(_ claim: Claim, with replies: Reply...) {
        state.withLock { $0.script[claim] = replies }
    }

    /// Makes every later question wait for `release` (or for the cancellation of its task).
    public func hold(ignoringCancellation: Bool = false) {
        state.withLock {
            $0.isHolding = true
            $0.ignoresCancellation = ignoringCancellation
        }
    }

    /// Answers the questions that are held, all of them or those about `claim`; with `reply`, or by the script.
    public func release(_ claim: Claim? = nil, with reply: Reply? = nil) {
        let released = state.withLock { state in
            state.held.filter { claim == nil || $0.value.claim == claim }.sorted { $0.key < $1.key }
                .map { id, held in
                    state.held[id] = nil
                    return (held.continuation, reply ?? state.reply(to: held.claim))
                }
        }
        for (continuation, reply) in released { continuation.resume(returning: reply) }
    }

    /// Stops holding and answers what is held.
    public func stopHolding() {
        state.withLock { $0.isHolding = false }
        release()
    }

    /// Every question so far, oldest first.
    public var asked: [Claim] { state.withLock { $0.asked } }

    /// How many held questions ended because their task was cancelled.
    public var cancelled: Int { state.withLock { $0.cancelled } }

    /// Returns when `count` questions have been asked, or when its task is cancelled (by the test's time limit).
    /// The held ones among them can then be released.
    public func askedReached(_ count: Int) async {
        while state.withLock({ $0.asked.count }) < count, !Task.isCancelled { await Task.yield() }
    }

    public func find(_ claim: Claim) async throws(DirectoryError) -> Finding {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        let reply = await withTaskCancellationHandler {
            await withCheckedContinuation { begin(Held(claim: claim, continuation: $0), id: id) }
        } onCancel: {
            let held = state.withLock { state -> Held? in
                if state.ignoresCancellation { return nil }
                let held = state.held.removeValue(forKey: id)
                if held != nil { state.cancelled += 1 }
                return held
            }
            held?.continuation.resume(returning: .failure(Self.givenUp))
        }
        return try reply.get()
    }

    private static let givenUp = DirectoryError(.timeout, "The question was cancelled.")

    private func begin(_ held: Held, id: UInt64) {
        let reply = state.withLock { state -> Reply? in
            state.asked.append(held.claim)
            guard state.isHolding else { return state.reply(to: held.claim) }
            if Task.isCancelled, !state.ignoresCancellation {
                state.cancelled += 1
                return .failure(Self.givenUp)
            }
            state.held[id] = held
            return nil
        }
        if let reply { held.continuation.resume(returning: reply) }
    }
}
