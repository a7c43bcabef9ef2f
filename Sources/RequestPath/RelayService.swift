import MetadataModel
import RelayLoop
import Synchronization

/// What every relay loop of a program needs to know.
public struct RelayPlan: Sendable {
    public enum Passage: Sendable {
        /// The agent: find the instance, sign, ask Nova.
        case resolve(any ClaimResolver)
        /// The namespace proxy: say where the request came from and pass it to the agent.
        case relay
    }

    public var passage: Passage
    public var upstream: UpstreamSettings
    public var settings: RelaySettings
    public var forwardedForPolicy = ForwardedForPolicy.last
    /// Nil for guests without limits of their own.
    public var guestLimits: GuestLimits?
    /// Nil where every request is Nova's to answer.
    public var answerCache: AnswerCache?

    public init(passage: Passage, upstream: UpstreamSettings, settings: RelaySettings = RelaySettings()) {
        self.passage = passage
        self.upstream = upstream
        self.settings = settings
    }
}

/// The data plane of a program: one or more relay loops, each on its own thread, with the same doors.
public final class RelayService: Sendable {
    private let mailboxes: [Mailbox<WorkerMessage>]
    private let running: Mutex<Running>

    private struct Running {
        var workers: Int
        var isDraining = false
        var whenStopped: [@Sendable (Bool) -> Void] = []
    }

    /// Starts the loops; they have no door yet.
    ///
    /// - Parameters:
    ///   - workers: how many loops, at least one.
    ///   - observer: makes the observer of loop number n, on its thread.
    /// - Throws: `LoopError` if descriptors or threads cannot be had.
    public init(
        workers: Int,
        plan: RelayPlan,
        observer: @escaping @Sendable (Int) -> any RelayObserver
    ) throws(LoopError) {
        let count = max(workers, 1)
        var mailboxes: [Mailbox<WorkerMessage>] = []
        for _ in 0..<count { mailboxes.append(try Mailbox()) }
        self.mailboxes = mailboxes
        running = Mutex(Running(workers: count))
        for (index, mailbox) in mailboxes.enumerated() {
            try LoopThread.start(name: "relay-\(index)") { [self] in
                let observer = observer(index)
                do throws(LoopError) {
                    let worker = try RelayWorker(
                        plan,
                        sharesDoors: count > 1,
                        observer: observer,
                        mailbox: mailbox
                    )
                    try worker.run()
                } catch {
                    observer.noted(.loopFailed(error))
                }
                observer.batchEnded()
                workerStopped()
            }
        }
    }

    /// Starts accepting at a door, on all loops.
    public func open(_ door: Door) {
        for mailbox in mailboxes { mailbox.post(.open(door)) }
    }

    /// Stops accepting at a door at once. Where it was lent, its connections end too: idle ones now, the others with
    /// their answer, and all of them within seconds.
    public func close(_ door: Door) {
        for mailbox in mailboxes { mailbox.post(.close(ObjectIdentifier(door.key))) }
    }

    /// Uses other settings for the next hop from now on; requests in flight finish with the old ones. What is
    /// cached was signed with the old secret and is forgotten.
    public func replace(upstream: UpstreamSettings) {
        for mailbox in mailboxes { mailbox.post(.replaceUpstream(upstream)) }
    }

    /// Forgets the loops' copies of the directory's answers.
    public func forgetInstances() {
        for mailbox in mailboxes { mailbox.post(.forgetInstances) }
    }

    /// Closes the doors, lets the requests in flight finish for at most `grace`, then stops the loops.
    public func drain(grace: LoopSpan) {
        running.withLock { $0.isDraining = true }
        for mailbox in mailboxes { mailbox.post(.drain(grace)) }
    }

    /// Calls `body` once all loops have stopped; at once if they have. It is told whether they were drained, or ended
    /// by themselves.
    public func whenStopped(_ body: @escaping @Sendable (_ wasDrained: Bool) -> Void) {
        let wasDrained: Bool? = running.withLock { running in
            if running.workers > 0 { running.whenStopped.append(body) }
            return running.workers == 0 ? running.isDraining : nil
        }
        if let wasDrained { body(wasDrained) }
    }

    private func workerStopped() {
        let (bodies, wasDrained) = running.withLock { running in
            running.workers -= 1
            return (running.workers == 0 ? running.whenStopped : [], running.isDraining)
        }
        for body in bodies { body(wasDrained) }
    }
}
