import RelayLoop

/// One guest that boots once: carries out what its `GuestBoot` says.
final class BootingGuest: Caller, Waiter {
    private unowned let storm: StormLoop
    private let seat: StormPlan.Seat
    private var boot: GuestBoot
    private var hasBegun = false
    private lazy var call = Call(storm: storm, caller: self, route: storm.route(of: seat))
    private var slowest = LoopSpan.zero

    init(storm: StormLoop, seat: StormPlan.Seat, isIPv6: Bool) {
        self.storm = storm
        self.seat = seat
        boot = GuestBoot(profile: storm.plan.profile, isIPv6: isIPv6)
    }

    func waitOver() {
        if hasBegun { return perform(boot.waited(now: .now)) }
        hasBegun = true
        storm.boots.begin()
        perform(boot.begin(now: .now))
    }

    func callEnded(_ outcome: CallOutcome) {
        let now = LoopInstant.now
        let span = now.since(call.began)
        storm.ordinary.end(outcome, after: span)
        slowest = max(slowest, span)
        perform(boot.ended(outcome, now: now))
    }

    private func perform(_ action: GuestBoot.Action) {
        switch action {
        case .request(let target, let patience):
            storm.ordinary.begin()
            call.start(target: target, patience: patience)
        case .wait(let span):
            storm.waits.add(self, at: .now + span)
        case .finished(var result):
            if storm.plan.expectsUserData, result.absent.contains(.userData) { result.lost.insert(.userData) }
            storm.bootEnded(result, seat: seat, slowest: slowest)
        }
    }
}
