import MetadataModel
import RelayLoop

/// One request on its way through resolve, forward and answer: what to do next after each event.
///
/// A value without I/O and without a clock: events and the time go in, actions come out, and
/// `GuestConnection` carries them out. All decisions about holding, retrying and giving up are here.
struct Exchange {
    enum Action {
        /// Nothing to do until the next event.
        case wait
        case resolve(Claim, isFresh: Bool)
        /// Get a connection to the next hop and send the request on it.
        case forward
        /// As `forward`, but first drop the answer that is being held back: it was for another instance.
        case forwardAgain
        /// The request is held: come back at the deadline.
        case sleep
        /// Pass the next hop's answer to the guest.
        case passOn
        case refuse(Verdict)
    }

    enum State: Equatable {
        case idle
        case resolving
        /// Held until the directory is asked again.
        case awaitingPort
        /// Held until the next hop is tried again.
        case awaitingBackend
        case connecting
        case sent
        /// Nova said 404; its answer waits while the directory is asked once more.
        case confirming
        case answering
    }

    /// Why the next hop gave no answer.
    enum Failure: Equatable {
        case noConnection
        /// The connection ended before the answer's head was complete.
        case closedEarly(wasReused: Bool)
        case malformedAnswer
        case cutAnswer
    }

    private let hold: HoldPolicy
    private let confirmAfter: LoopSpan

    private(set) var state = State.idle
    /// When `deadlinePassed` is wanted; nil for never.
    private(set) var deadline: LoopInstant?
    /// What Nova is told about the guest; nil in a namespace proxy, which does not know.
    private(set) var instance: SignedInstance?
    /// Whether anything was missing on the way, for the log and the next hop.
    private(set) var wasHeld = false

    private var arrived = LoopInstant(nanoseconds: 0)
    private var holdEnds = LoopInstant(nanoseconds: 0)
    private var claim: Claim?
    private var foundAt = LoopInstant(nanoseconds: 0)
    private var askedAt = LoopInstant(nanoseconds: 0)
    private var isRepeatable = false
    private var directoryAttempts = 0
    private var backendAttempts = 0
    private var hasSeenDirectoryAway = false
    private var lastNobody: NotFoundReason?
    private var hasConfirmed = false
    /// A reused connection was dead already; the next attempt takes a new one.
    private(set) var hasRetriedReused = false
    private var answerTimeout = LoopSpan.zero

    init(settings: RelaySettings) {
        hold = settings.hold
        confirmAfter = settings.confirmAfter
    }

    /// Begins a request.
    ///
    /// - Parameters:
    ///   - claim: what the directory is to be asked; nil where the next hop does that.
    ///   - cached: the loop's own copy of the answer, if it has one.
    ///   - answerTimeout: how long the next hop may be silent.
    ///   - isRepeatable: sending it twice does no harm and is possible: GET or HEAD without a body.
    mutating func begin(
        claim: Claim?,
        cached: InstanceCache.Entry?,
        arrived: LoopInstant,
        heldBefore: LoopSpan,
        isRepeatable: Bool,
        answerTimeout: LoopSpan,
        now: LoopInstant
    ) -> Action {
        self.claim = claim
        self.arrived = arrived
        self.isRepeatable = isRepeatable
        holdEnds = arrived + (hold.durationMax - heldBefore)
        instance = nil
        wasHeld = false
        directoryAttempts = 0
        backendAttempts = 0
        hasSeenDirectoryAway = false
        lastNobody = nil
        hasConfirmed = false
        hasRetriedReused = false
        self.answerTimeout = answerTimeout
        guard let claim else { return connect(now: now) }
        if let cached {
            instance = cached.instance
            foundAt = cached.foundAt
            return connect(now: now)
        }
        return ask(claim, now: now)
    }

    /// The request has ended, one way or another.
    mutating func end() {
        state = .idle
        deadline = nil
        instance = nil
        claim = nil
    }

    // MARK: 3 resolve

    /// Time for the last look, which begins when the hold is over: a directory over the network cannot answer at once.
    private static let lastLook = LoopSpan.milliseconds(500)
    /// How long Nova's own 404 waits for the look that may contradict it.
    private static let confirmation = LoopSpan.seconds(2)

    private mutating func ask(_ claim: Claim, now: LoopInstant) -> Action {
        state = .resolving
        askedAt = now
        directoryAttempts += 1
        // The directory has a time-out of its own; a guest that would give up earlier gets its answer earlier.
        deadline = isHolding ? max(holdEnds, now + Self.lastLook) : nil
        return .resolve(claim, isFresh: false)
    }

    /// The directory has not answered by the end of the hold. If it said all along that nobody has the address, and
    /// only the last look is missing, that is the answer: a 503 would keep a guest waiting for ever. A look without
    /// an answer for longer than that is a directory that is away.
    private func verdictWithoutAnswer(now: LoopInstant) -> Verdict {
        guard let lastNobody, !hasSeenDirectoryAway, now.since(askedAt) <= Self.silenceMax else {
            return .directoryAway
        }
        return .instanceNotFound(lastNobody)
    }

    /// `lastLook`, and how late a busy loop may notice its end.
    private static let silenceMax = LoopSpan.milliseconds(750)

    mutating func resolved(_ resolution: Resolution, heldNow: Int, now: LoopInstant) -> Action {
        switch state {
        case .resolving:
            return resolvedFirst(resolution, heldNow: heldNow, now: now)
        case .confirming:
            return confirmed(resolution, now: now)
        case .idle, .awaitingPort, .awaitingBackend, .connecting, .sent, .answering:
            return .wait
        }
    }

    private mutating func resolvedFirst(_ resolution: Resolution, heldNow: Int, now: LoopInstant) -> Action {
        switch resolution {
        case .instance(let signed, _):
            instance = signed
            foundAt = now
            return connect(now: now)
        case .nobody(let reason):
            lastNobody = reason
            let verdict = hasSeenDirectoryAway ? Verdict.directoryAway : .instanceNotFound(reason)
            switch reason {
            case .noPort, .portWithoutInstance, .routerWithoutNetworks:
                let pause = hold.directoryPause(attempt: directoryAttempts - 1)
                return holdOrRefuse(.awaitingPort, pause: pause, verdict, heldNow: heldNow, now: now)
            case .severalPorts, .addressNamesNoPort:
                return .refuse(.instanceNotFound(reason))
            }
        case .away:
            hasSeenDirectoryAway = true
            let pause = hold.directoryPause(attempt: directoryAttempts - 1)
            return holdOrRefuse(.awaitingPort, pause: pause, .directoryAway, heldNow: heldNow, now: now)
        case .failed:
            return .refuse(.directoryFailed)
        }
    }

    // MARK: 5 forward

    private mutating func connect(now: LoopInstant) -> Action {
        state = .connecting
        // Each attempt has a time-out of its own; this one also covers standing in line for a connection.
        deadline = isHolding ? max(holdEnds, now + .seconds(1)) : now + answerTimeout
        return .forward
    }

    /// Somebody else's answer was waited for and does not come.
    mutating func forwardNow(now: LoopInstant) -> Action {
        connect(now: now)
    }

    /// The request is on its way on a standing connection; also called while its body makes progress.
    mutating func sent(now: LoopInstant) {
        state = .sent
        deadline = now + answerTimeout
    }

    mutating func failed(_ failure: Failure, heldNow: Int, now: LoopInstant) -> Action {
        switch state {
        case .connecting, .sent: break
        case .idle, .resolving, .awaitingPort, .awaitingBackend, .confirming, .answering: return .wait
        }
        switch failure {
        case .noConnection:
            return tryLater(.backendAway, heldNow: heldNow, now: now)
        case .closedEarly(let wasReused):
            guard isRepeatable else { return .refuse(.backendBroken) }
            // The next hop closed a connection that had been idle: it never saw the request.
            if wasReused, !hasRetriedReused {
                hasRetriedReused = true
                return connect(now: now)
            }
            // It went down with the request in its hands; a restart ends within the hold.
            return tryLater(.backendBroken, heldNow: heldNow, now: now)
        case .malformedAnswer, .cutAnswer:
            return .refuse(.backendBroken)
        }
    }

    private mutating func tryLater(_ verdict: Verdict, heldNow: Int, now: LoopInstant) -> Action {
        backendAttempts += 1
        let pause = hold.backendPause(attempt: backendAttempts - 1)
        return holdOrRefuse(.awaitingBackend, pause: pause, verdict, heldNow: heldNow, now: now)
    }

    // MARK: 6 answer

    /// The answer's head is here.
    mutating func answered(status: Int, mapping: Answer.Mapping, now: LoopInstant) -> Action {
        guard state == .sent else { return .wait }
        guard mapping.passes(status) else { return .refuse(.backendUnexpected(status: status)) }
        if status == 404, let claim, isRepeatable, !hasConfirmed, now.since(foundAt) > confirmAfter {
            hasConfirmed = true
            state = .confirming
            deadline = now + Self.confirmation
            return .resolve(claim, isFresh: true)
        }
        return passOn(now: now)
    }

    private mutating func confirmed(_ resolution: Resolution, now: LoopInstant) -> Action {
        guard case .instance(let signed, _) = resolution, signed.instance != instance?.instance else {
            return passOn(now: now)
        }
        instance = signed
        foundAt = now
        guard case .forward = connect(now: now) else { return .wait }
        return .forwardAgain
    }

    private mutating func passOn(now: LoopInstant) -> Action {
        state = .answering
        deadline = nil
        return .passOn
    }

    // MARK: Time

    mutating func deadlinePassed(now: LoopInstant) -> Action {
        deadline = nil
        switch state {
        case .idle, .answering:
            return .wait
        case .resolving:
            return .refuse(verdictWithoutAnswer(now: now))
        case .awaitingPort:
            guard let claim else { return .wait }
            return ask(claim, now: now)
        case .awaitingBackend:
            return connect(now: now)
        case .connecting:
            return .refuse(.backendAway)
        case .sent:
            return .refuse(.backendTimeout)
        case .confirming:
            return passOn(now: now)
        }
    }

    private var isHolding: Bool { hold.durationMax > .zero }

    private mutating func holdOrRefuse(
        _ waiting: State,
        pause: LoopSpan,
        _ verdict: Verdict,
        heldNow: Int,
        now: LoopInstant
    ) -> Action {
        guard isHolding, now < holdEnds, heldNow < hold.requestsMax else { return .refuse(verdict) }
        state = waiting
        wasHeld = true
        // The last look is at the very end, so that what appears just in time is seen.
        deadline = min(now + pause, holdEnds)
        return .sleep
    }
}
