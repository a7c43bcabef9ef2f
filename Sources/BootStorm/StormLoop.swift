import Glibc
import LinuxHost
import MetadataModel
import RelayLoop

/// A storm while it runs: its clients, their counts, and the one thread's loop, namespaces and waits. Decisions are
/// made elsewhere: `GuestBoot` has the guests' manners, `StormPlan` says who is where.
final class StormLoop {
    let plan: StormPlan
    let loop: RelayLoop
    let spaces: NetworkSpaces
    let waits: PlannedWaits
    private let began: LoopInstant
    private let headers: [UInt8]

    /// The guests that behave.
    var ordinary = RequestTally()
    var abusive = RequestTally()
    var boots = BootTally()
    var hostile: [HostileClient.Kind: HostileTally] = [:]
    /// Polls that were due while the one before had no answer yet.
    var pollsSkipped = 0
    private var details: ((BootDetail) -> Void)?
    private(set) var isOver = false
    private var wasInterrupted = false

    private var routes: [Route] = []
    /// They live as long as the storm; the loop and the waits only refer to them.
    private var clients: [any Waiter] = []
    private var ordinaryGuests = 0

    init(_ plan: StormPlan, details: ((BootDetail) -> Void)?) throws(StormError) {
        self.plan = plan
        self.details = details
        do throws(LoopError) { loop = try RelayLoop() } catch { throw StormError("\(error).") }
        spaces = try NetworkSpaces()
        waits = try PlannedWaits(loop: loop)
        // What Python's requests sends, in its order. Guests always ask for the link-local address.
        let lines = [
            "Host: 169.254.169.254", "User-Agent: \(plan.profile.userAgent)", "Accept-Encoding: gzip, deflate",
            "Accept: */*", "Connection: keep-alive",
        ]
        headers = Array((" HTTP/1.1\r\n" + lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
        began = .now
        try findRoutes()
    }

    // MARK: Ways

    /// Looks at each target once, in its namespace.
    private func findRoutes() throws(StormError) {
        for target in plan.targets {
            var place: NetworkSpaces.Place?
            if let namespace = target.namespace { place = try spaces.place(named: namespace) }
            try spaces.enter(place)
            let local = NetworkSpaces.localAddresses()
            if let refusal = MetadataGuard.refusal(of: target, isElsewhere: place != nil, localAddresses: local) {
                throw StormError(refusal)
            }
            routes.append(Route(target: try target.socketAddress(), space: place, source: nil))
        }
        for client in 0..<plan.guests + plan.hostile { try check(plan.seat(of: client)) }
    }

    /// Better one sentence now than ten thousand failures later.
    private func check(_ seat: StormPlan.Seat) throws(StormError) {
        let route = route(of: seat)
        guard let source = route.source else { return }
        try spaces.enter(route.space)
        let probe = socket(route.target.family, CInt(SOCK_STREAM.rawValue), 0)
        guard probe >= 0 else { throw StormError("No socket: \(systemReason(errno)).") }
        defer { Descriptor.close(probe) }
        if let code = Connector.bind(probe, source) {
            let target = plan.targets[seat.target]
            let address = address(of: seat).map { "\($0)" } ?? ""
            throw StormError("Guests cannot speak from \(address) to \(target): \(systemReason(code)).")
        }
    }

    func route(of seat: StormPlan.Seat) -> Route {
        var route = routes[seat.target]
        route.source = address(of: seat).map { StormTarget.socketAddress($0, port: 0) }
        return route
    }

    private func address(of seat: StormPlan.Seat) -> IPAddress? {
        plan.targets[seat.target].sources?[seat.source]
    }

    func request(_ target: String) -> [UInt8] {
        var bytes = Array("GET ".utf8)
        bytes.reserveCapacity(target.utf8.count + headers.count + 4)
        bytes += target.utf8
        bytes += headers
        return bytes
    }

    // MARK: Running

    /// Runs the storm to its end on the calling thread.
    ///
    /// - Parameters:
    ///   - signals: TERM and INT end the storm early, with a report of what was so far.
    ///   - progress: called every `progressEvery`, on this thread.
    func run(
        signals: SignalSource?,
        progressEvery: LoopSpan,
        progress: @escaping (StormReport) -> Void
    ) throws(StormError) -> StormReport {
        for number in 0..<plan.guests { add(guest: number) }
        for number in 0..<plan.hostile {
            let route = route(of: plan.seat(of: plan.guests + number))
            let client = HostileClient(storm: self, route: route, number: number)
            clients.append(client)
            waits.add(client, at: began)
        }
        let limit = Moment { [unowned self] in stop() }
        waits.add(limit, at: began + .seconds(plan.secondsMax))
        let ticker = Moment(every: progressEvery, waits: waits) { [unowned self] in progress(report()) }
        waits.add(ticker, at: began + progressEvery)
        if let signals { try watch(signals) }
        do throws(LoopError) { try loop.run() } catch { throw StormError("\(error).") }
        return report()
    }

    private func add(guest number: Int) {
        let seat = plan.seat(of: number)
        let beginning = began + plan.beginning(of: number)
        let guest: any Waiter
        if seat.isAbusive {
            guest = AbusiveGuest(storm: self, seat: seat)
        } else {
            ordinaryGuests += 1
            switch plan.activity {
            case .boot:
                guest = BootingGuest(storm: self, seat: seat, isIPv6: plan.targets[seat.target].address.isV6)
            case .poll(let every):
                guest = PollingGuest(storm: self, seat: seat, every: every, first: beginning)
            }
        }
        clients.append(guest)
        waits.add(guest, at: beginning)
    }

    private func watch(_ signals: SignalSource) throws(StormError) {
        let reader = SignalReader { [unowned self] in
            while let signal = signals.next() {
                if signal.endsProgram {
                    wasInterrupted = true
                    stop()
                }
            }
        }
        guard loop.watch(loop.add(reader), signals.descriptor, as: .notification) else {
            throw StormError("Signals cannot be watched: \(systemReason(errno)).")
        }
    }

    func bootEnded(_ result: BootResult, seat: StormPlan.Seat, slowest: LoopSpan) {
        let address = address(of: seat)
        boots.end(result, at: BootTally.Place(target: seat.target, address: address))
        details?(BootDetail(result, target: plan.targets[seat.target], address: address, slowest: slowest))
        if boots.ended == ordinaryGuests { stop() }
    }

    private func stop() {
        isOver = true
        loop.stop()
    }

    func report() -> StormReport {
        StormReport(self, seconds: LoopInstant.now.since(began).seconds, wasInterrupted: wasInterrupted)
    }
}

/// Something to do at a moment, once or again and again.
private final class Moment: Waiter {
    private let every: LoopSpan?
    private weak var waits: PlannedWaits?
    private let act: () -> Void

    init(every: LoopSpan? = nil, waits: PlannedWaits? = nil, _ act: @escaping () -> Void) {
        self.every = every
        self.waits = waits
        self.act = act
    }

    func waitOver() {
        act()
        if let every, let waits { waits.add(self, at: .now + every) }
    }
}

private final class SignalReader: LoopHandler {
    private let act: () -> Void

    init(_ act: @escaping () -> Void) {
        self.act = act
    }

    func ready(_ readiness: Readiness) { act() }
    func deadlinePassed() {}
}
