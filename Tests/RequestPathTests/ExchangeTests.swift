import MetadataModel
import RelayLoop
import Testing

@testable import RequestPath

/// Each test reads as a story: event, expected action, event, expected action. The clock is a number.
@Suite struct ExchangeTests {
    private var settings = RelaySettings()
    private let upstream = UpstreamSettings(addresses: FixedAddresses([]), host: "nova")
    private let claim: Claim
    private let first: SignedInstance
    private let second: SignedInstance

    init() throws {
        let network = try #require(ResourceID("11111111-1111-1111-1111-111111111111"))
        let address = try #require(IPAddress("10.0.0.5"))
        claim = try #require(Claim(scope: .network(network), address: address))
        let project = try #require(ResourceID("project"))
        first = SignedInstance(Instance(id: try #require(ResourceID("first")), projectID: project), headers: [])
        second = SignedInstance(Instance(id: try #require(ResourceID("second")), projectID: project), headers: [])
    }

    private func at(_ milliseconds: UInt64) -> LoopInstant {
        LoopInstant(nanoseconds: (1_000_000 + milliseconds) * 1_000_000)
    }

    private func begin(
        _ exchange: inout Exchange,
        claim: Claim?,
        cached: InstanceCache.Entry? = nil,
        isRepeatable: Bool = true,
        heldBefore: LoopSpan = .zero
    ) -> String {
        name(
            exchange.begin(
                claim: claim,
                cached: cached,
                arrived: at(0),
                heldBefore: heldBefore,
                isRepeatable: isRepeatable,
                answerTimeout: upstream.answerTimeout,
                now: at(0)
            )
        )
    }

    /// An action in a word, since verdicts and claims are compared by their text.
    private func name(_ action: Exchange.Action) -> String {
        switch action {
        case .wait: "wait"
        case .resolve(_, let isFresh): isFresh ? "resolve fresh" : "resolve"
        case .forward: "forward"
        case .forwardAgain: "forward again"
        case .sleep: "sleep"
        case .passOn: "pass on"
        case .refuse(let verdict): "refuse \(verdict.status)"
        }
    }

    // MARK: The straight way

    @Test func knownInstanceIsForwardedWithoutALookup() {
        var exchange = Exchange(settings: settings)
        let entry = InstanceCache.Entry(instance: first, foundAt: at(0), expires: at(5_000))
        #expect(begin(&exchange, claim: claim, cached: entry) == "forward")
        exchange.sent(now: at(1))
        #expect(name(exchange.answered(status: 200, mapping: .nova, now: at(5))) == "pass on")
        #expect(!exchange.wasHeld)
    }

    @Test func proxyForwardsWithoutKnowingTheInstance() {
        var exchange = Exchange(settings: settings)
        #expect(begin(&exchange, claim: nil) == "forward")
        #expect(exchange.instance == nil)
    }

    // MARK: Not yet

    @Test func portThatAppearsLateIsServed() {
        var exchange = Exchange(settings: settings)
        #expect(begin(&exchange, claim: claim) == "resolve")
        #expect(name(exchange.resolved(.nobody(.noPort), heldNow: 0, now: at(10))) == "sleep")
        #expect(exchange.deadline == at(260))
        #expect(name(exchange.deadlinePassed(now: at(270))) == "resolve")
        #expect(name(exchange.resolved(.instance(first, lifetime: .zero), heldNow: 1, now: at(280))) == "forward")
        #expect(exchange.wasHeld)
    }

    /// The whole hold: looks again and again, the last time at its very end.
    @Test(arguments: [
        (Resolution.nobody(.noPort), 404), (.nobody(.portWithoutInstance), 404),
        (.nobody(.routerWithoutNetworks), 404), (.away, 503),
    ])
    func holdEndsWithTheRightAnswer(resolution: Resolution, status: Int) {
        var exchange = Exchange(settings: settings)
        var now: UInt64 = 0
        var lookups = 1
        #expect(begin(&exchange, claim: claim) == "resolve")
        while true {
            let action = exchange.resolved(resolution, heldNow: 0, now: at(now))
            guard case .sleep = action, let deadline = exchange.deadline else {
                #expect(name(action) == "refuse \(status)")
                break
            }
            #expect(deadline <= at(8_500))
            now = deadline.since(at(0)).milliseconds
            #expect(name(exchange.deadlinePassed(now: at(now))) == "resolve")
            lookups += 1
        }
        #expect(now == 8_500)
        #expect((8...14).contains(lookups))
    }

    /// 503 makes a newer cloud-init wait for ever, so 404 needs the control plane to have answered all along.
    @Test func directoryThatWasAwayOnceMakesTheAnswer503() {
        var exchange = Exchange(settings: settings)
        _ = begin(&exchange, claim: claim)
        #expect(name(exchange.resolved(.away, heldNow: 0, now: at(8_000))) == "sleep")
        #expect(name(exchange.deadlinePassed(now: at(8_400))) == "resolve")
        #expect(name(exchange.resolved(.nobody(.noPort), heldNow: 0, now: at(8_500))) == "refuse 503")
    }

    @Test func lookupThatNeverAnswersEndsWithTheHold() {
        var exchange = Exchange(settings: settings)
        _ = begin(&exchange, claim: claim)
        #expect(exchange.deadline == at(8_500))
        #expect(name(exchange.deadlinePassed(now: at(8_500))) == "refuse 503")
    }

    /// The last look begins when the hold is over, and a directory over the network needs a moment to answer it.
    @Test func lastLookHasTimeForItsAnswer() {
        var exchange = Exchange(settings: settings)
        _ = begin(&exchange, claim: claim)
        #expect(name(exchange.resolved(.nobody(.noPort), heldNow: 0, now: at(8_400))) == "sleep")
        #expect(exchange.deadline == at(8_500))
        #expect(name(exchange.deadlinePassed(now: at(8_500))) == "resolve")
        #expect(exchange.deadline == at(9_000))
        #expect(name(exchange.resolved(.instance(first, lifetime: .zero), heldNow: 0, now: at(8_540))) == "forward")
    }

    /// One look without an answer does not unsay what the others said.
    @Test func lastLookWithoutAnAnswerLeavesTheEarlierOnes() {
        var exchange = Exchange(settings: settings)
        _ = begin(&exchange, claim: claim)
        #expect(name(exchange.resolved(.nobody(.noPort), heldNow: 0, now: at(8_400))) == "sleep")
        #expect(name(exchange.deadlinePassed(now: at(8_500))) == "resolve")
        #expect(name(exchange.deadlinePassed(now: at(9_000))) == "refuse 404")
    }

    /// A server that said "nobody" once and then fell silent is away: the guest may have got its port meanwhile.
    @Test func aLookWithoutAnAnswerForLongIsADirectoryThatIsAway() {
        var exchange = Exchange(settings: settings)
        _ = begin(&exchange, claim: claim)
        #expect(name(exchange.resolved(.nobody(.noPort), heldNow: 0, now: at(10))) == "sleep")
        #expect(name(exchange.deadlinePassed(now: at(260))) == "resolve")
        #expect(name(exchange.deadlinePassed(now: at(8_500))) == "refuse 503")
    }

    @Test(arguments: [NotFoundReason.severalPorts(count: 2), .addressNamesNoPort])
    func whatWaitingCannotMendIsRefusedAtOnce(reason: NotFoundReason) {
        var exchange = Exchange(settings: settings)
        _ = begin(&exchange, claim: claim)
        #expect(name(exchange.resolved(.nobody(reason), heldNow: 0, now: at(1))) == "refuse 404")
    }

    @Test func directoryErrorIsRefusedAtOnce() {
        var exchange = Exchange(settings: settings)
        _ = begin(&exchange, claim: claim)
        #expect(name(exchange.resolved(.failed, heldNow: 0, now: at(1))) == "refuse 500")
    }

    @Test func timeHeldByTheHopBeforeCounts() {
        var exchange = Exchange(settings: settings)
        _ = begin(&exchange, claim: claim, heldBefore: .seconds(8))
        #expect(name(exchange.resolved(.nobody(.noPort), heldNow: 0, now: at(10))) == "sleep")
        _ = exchange.deadlinePassed(now: at(500))
        #expect(name(exchange.resolved(.nobody(.noPort), heldNow: 0, now: at(501))) == "refuse 404")
    }

    @Test func holdingCanBeTurnedOff() {
        var settings = settings
        settings.hold.durationMax = .zero
        var exchange = Exchange(settings: settings)
        _ = begin(&exchange, claim: claim)
        #expect(exchange.deadline == nil)
        #expect(name(exchange.resolved(.nobody(.noPort), heldNow: 0, now: at(1))) == "refuse 404")
    }

    @Test func holdingIsBoundedInNumber() {
        var exchange = Exchange(settings: settings)
        _ = begin(&exchange, claim: claim)
        let action = exchange.resolved(.nobody(.noPort), heldNow: settings.hold.requestsMax, now: at(1))
        #expect(name(action) == "refuse 404")
    }

    // MARK: The next hop

    @Test func nextHopThatComesBackWithinTheHoldIsUsed() {
        var exchange = Exchange(settings: settings)
        _ = begin(&exchange, claim: nil)
        #expect(name(exchange.failed(.noConnection, heldNow: 0, now: at(1))) == "sleep")
        #expect(name(exchange.deadlinePassed(now: at(60))) == "forward")
        exchange.sent(now: at(61))
        #expect(name(exchange.answered(status: 200, mapping: .agent, now: at(62))) == "pass on")
    }

    @Test func nextHopThatStaysAwayIs503() {
        var exchange = Exchange(settings: settings)
        _ = begin(&exchange, claim: nil)
        _ = exchange.failed(.noConnection, heldNow: 0, now: at(8_400))
        _ = exchange.deadlinePassed(now: at(8_500))
        #expect(name(exchange.failed(.noConnection, heldNow: 0, now: at(8_500))) == "refuse 503")
    }

    @Test func staleIdleConnectionIsReplacedAtOnceAndOnlyOnce() {
        var exchange = Exchange(settings: settings)
        _ = begin(&exchange, claim: nil)
        exchange.sent(now: at(1))
        #expect(name(exchange.failed(.closedEarly(wasReused: true), heldNow: 0, now: at(2))) == "forward")
        exchange.sent(now: at(3))
        #expect(name(exchange.failed(.closedEarly(wasReused: true), heldNow: 0, now: at(4))) == "sleep")
    }

    @Test func requestWithABodyIsNeverSentTwice() {
        var exchange = Exchange(settings: settings)
        _ = begin(&exchange, claim: nil, isRepeatable: false)
        exchange.sent(now: at(1))
        #expect(name(exchange.failed(.closedEarly(wasReused: true), heldNow: 0, now: at(2))) == "refuse 502")
    }

    @Test(arguments: [Exchange.Failure.malformedAnswer, .cutAnswer])
    func brokenAnswerIs502(failure: Exchange.Failure) {
        var exchange = Exchange(settings: settings)
        _ = begin(&exchange, claim: nil)
        exchange.sent(now: at(1))
        #expect(name(exchange.failed(failure, heldNow: 0, now: at(2))) == "refuse 502")
    }

    @Test func silentNextHopIs504() {
        var exchange = Exchange(settings: settings)
        _ = begin(&exchange, claim: nil)
        exchange.sent(now: at(1))
        #expect(exchange.deadline == at(60_001))
        #expect(name(exchange.deadlinePassed(now: at(60_001))) == "refuse 504")
    }

    // MARK: Nova's 404

    private func answered404(foundAt: UInt64, now: UInt64, _ exchange: inout Exchange) -> String {
        let entry = InstanceCache.Entry(instance: first, foundAt: at(foundAt), expires: at(600_000))
        _ = begin(&exchange, claim: claim, cached: entry)
        exchange.sent(now: at(now))
        return name(exchange.answered(status: 404, mapping: .nova, now: at(now)))
    }

    @Test func youngAnswerIsBelievedWhenNovaSays404() {
        var exchange = Exchange(settings: settings)
        #expect(answered404(foundAt: 0, now: 1_999, &exchange) == "pass on")
    }

    /// LP 1868867: the port's address was given to a new instance while the old one was still cached.
    @Test func changedInstanceIsAskedForAfterA404() {
        var exchange = Exchange(settings: settings)
        #expect(answered404(foundAt: 0, now: 4_000, &exchange) == "resolve fresh")
        let action = exchange.resolved(.instance(second, lifetime: .zero), heldNow: 0, now: at(4_010))
        #expect(name(action) == "forward again")
        #expect(exchange.instance?.instance == second.instance)
        // And its own 404 is final.
        exchange.sent(now: at(4_020))
        #expect(name(exchange.answered(status: 404, mapping: .nova, now: at(60_000))) == "pass on")
    }

    @Test(arguments: ["same", "nobody", "away", "late"])
    func unchangedInstanceGetsNovas404WithoutASecondRequest(outcome: String) {
        var exchange = Exchange(settings: settings)
        _ = answered404(foundAt: 0, now: 4_000, &exchange)
        let action: Exchange.Action =
            switch outcome {
            case "same": exchange.resolved(.instance(first, lifetime: .zero), heldNow: 0, now: at(4_010))
            case "nobody": exchange.resolved(.nobody(.noPort), heldNow: 0, now: at(4_010))
            case "away": exchange.resolved(.away, heldNow: 0, now: at(4_010))
            default: exchange.deadlinePassed(now: at(8_500))
            }
        #expect(name(action) == "pass on")
    }

    // MARK: Statuses

    /// LP 1790598: the error path itself failed for a status nobody had thought of. So: all of them.
    @Test(arguments: 200...599)
    func everyStatusOfNovasHasItsAnswer(status: Int) {
        var exchange = Exchange(settings: settings)
        _ = begin(&exchange, claim: nil)
        exchange.sent(now: at(1))
        let passes = [200, 400, 403, 404, 409, 500, 502, 503, 504].contains(status)
        let action = exchange.answered(status: status, mapping: .nova, now: at(2))
        #expect(name(action) == (passes ? "pass on" : "refuse 500"))
    }

    @Test(arguments: [200, 201, 302, 401, 429, 503])
    func proxyPassesEveryStatusOfTheAgents(status: Int) {
        var exchange = Exchange(settings: settings)
        _ = begin(&exchange, claim: nil)
        exchange.sent(now: at(1))
        #expect(name(exchange.answered(status: status, mapping: .agent, now: at(2))) == "pass on")
    }

    @Test func lateEventsOfAnEndedExchangeDoNothing() {
        var exchange = Exchange(settings: settings)
        _ = begin(&exchange, claim: claim)
        exchange.end()
        #expect(name(exchange.resolved(.instance(first, lifetime: .zero), heldNow: 0, now: at(1))) == "wait")
        #expect(name(exchange.failed(.noConnection, heldNow: 0, now: at(1))) == "wait")
        #expect(name(exchange.deadlinePassed(now: at(1))) == "wait")
    }
}
