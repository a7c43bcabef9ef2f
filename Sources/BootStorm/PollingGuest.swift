import RelayLoop

/// One guest that asks for its document again and again, at fixed moments.
final class PollingGuest: Caller, Waiter {
    static let document = "/openstack/latest/meta_data.json"

    private unowned let storm: StormLoop
    private let every: LoopSpan
    private var next: LoopInstant
    private var isAsking = false
    private let seat: StormPlan.Seat
    private lazy var call = Call(storm: storm, caller: self, route: storm.route(of: seat))

    init(storm: StormLoop, seat: StormPlan.Seat, every: LoopSpan, first: LoopInstant) {
        self.storm = storm
        self.seat = seat
        self.every = every
        next = first
    }

    func waitOver() {
        next = next + every
        storm.waits.add(self, at: next)
        guard !isAsking else {
            storm.pollsSkipped += 1
            return
        }
        isAsking = true
        storm.ordinary.begin()
        call.start(target: Self.document, patience: Patience(silence: storm.plan.profile.silenceMax))
    }

    func callEnded(_ outcome: CallOutcome) {
        isAsking = false
        storm.ordinary.end(outcome, after: LoopInstant.now.since(call.began))
    }
}

/// One guest that asks as fast as it is answered, whatever the answer says.
final class AbusiveGuest: Caller, Waiter {
    /// Without an answer nothing slows it down but this.
    private static let pauseAfterFailure = LoopSpan.milliseconds(10)

    private unowned let storm: StormLoop
    private let seat: StormPlan.Seat
    // The reset spares this machine's ports: each connection would keep one for a minute.
    private lazy var call = Call(
        storm: storm,
        caller: self,
        route: storm.route(of: seat),
        resetsAfterwards: true
    )

    init(storm: StormLoop, seat: StormPlan.Seat) {
        self.storm = storm
        self.seat = seat
    }

    func waitOver() {
        storm.abusive.begin()
        call.start(target: PollingGuest.document, patience: Patience(silence: storm.plan.profile.silenceMax))
    }

    func callEnded(_ outcome: CallOutcome) {
        let now = LoopInstant.now
        storm.abusive.end(outcome, after: now.since(call.began))
        guard !storm.isOver else { return }
        switch outcome {
        case .answered: waitOver()
        case .failed: storm.waits.add(self, at: now + Self.pauseAfterFailure)
        }
    }
}
