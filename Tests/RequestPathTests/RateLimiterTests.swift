import MetadataModel
import RelayLoop
import TestSupport
import Testing

@testable import RequestPath

private let guest = IPAddress.v4(0x0A00_0005)

private func at(_ milliseconds: UInt64) -> LoopInstant {
    LoopInstant(nanoseconds: 5_000_000_000_000 + milliseconds * 1_000_000)
}

private func windows(_ list: [(period: UInt64, requestsMax: UInt32)]) -> [RateLimiter.Window] {
    list.map { RateLimiter.Window(period: .milliseconds($0.period), requestsMax: $0.requestsMax) }
}

/// A limiter that expectations can ask: their macro takes no mutating calls.
private final class Subject {
    private(set) var limiter: RateLimiter

    init(
        windows: [RateLimiter.Window],
        families: RateLimiter.Families = [.ipv4, .ipv6],
        entriesMax: Int = RateLimiter.entriesDefault,
        expiry: LoopSpan? = nil
    ) {
        limiter = RateLimiter(windows: windows, families: families, entriesMax: entriesMax, expiry: expiry)
    }

    init(copyOf other: Subject) {
        limiter = other.limiter
    }

    var count: Int { limiter.count }

    func admit(_ address: IPAddress, now: LoopInstant) -> RateLimiter.Decision {
        limiter.admit(address, now: now)
    }

    func allows(_ address: IPAddress, _ milliseconds: UInt64) -> Bool {
        admit(address, now: at(milliseconds)) == .allowed
    }
}

@Suite struct RateLimiterTests {
    @Test func limitOfThreeDeniesTheFourth() {
        let limiter = Subject(windows: windows([(10_000, 3)]))
        #expect((0..<5).map { limiter.allows(guest, $0) } == [true, true, true, false, false])
        #expect(limiter.allows(.v4(6), 5))
    }

    /// 28 requests of a boot, twice over, under a limit for that.
    @Test func normalBootPasses() {
        let limiter = Subject(windows: windows([(60_000, 120), (10_000, 60)]))
        #expect((0..<56).allSatisfy { limiter.allows(guest, $0 * 50) })
    }

    @Test func statusIsOfTheFirstWindowExceeded() {
        let list = [
            RateLimiter.Window(period: .milliseconds(1_000), requestsMax: 5, status: 503),
            RateLimiter.Window(period: .milliseconds(1_000), requestsMax: 1, status: 429),
        ]
        let limiter = Subject(windows: list)
        let statuses = (0..<7 as Range<UInt64>).map { index -> Int in
            if case .denied(let status, _) = limiter.admit(guest, now: at(index)) { status } else { 200 }
        }
        #expect(statuses == [200, 429, 429, 429, 429, 503, 503])
    }

    @Test func familiesThatAreNotCountedPass() {
        let v6 = IPAddress.v6(high: 0xFE80 << 48, low: 5)
        // As a dual-stack listener may spell the guest.
        let mapped = IPAddress.v6(high: 0, low: 0xFFFF_0A00_0005)
        let v4Only = Subject(windows: windows([(1_000, 1)]), families: .ipv4)
        #expect((0..<9).allSatisfy { v4Only.allows(v6, $0) })
        #expect(v4Only.count == 0)
        #expect(v4Only.allows(guest, 9))
        #expect(!v4Only.allows(mapped, 9))
        let v6Only = Subject(windows: windows([(1_000, 1)]), families: .ipv6)
        #expect((0..<9).allSatisfy { v6Only.allows(guest, $0) && v6Only.allows(mapped, $0) })
        #expect(v6Only.allows(v6, 9))
        #expect(!v6Only.allows(v6, 9))
        let both = Subject(windows: windows([(1_000, 1)]))
        #expect([guest, v6, mapped, v6].map { both.allows($0, 9) } == [true, true, false, false])
    }

    @Test func noWindowsAllowEverything() {
        let limiter = Subject(windows: [])
        #expect((0..<100).allSatisfy { limiter.allows(guest, $0) })
    }

    @Test func limitOfZeroDeniesEverything() {
        let limiter = Subject(windows: windows([(2_000, 0)]))
        for time in stride(from: UInt64(0), to: 20_000, by: 700) {
            #expect(limiter.admit(guest, now: at(time)) == .denied(status: 429, retryAfter: .milliseconds(2_000)))
        }
    }

    @Test func retryAfterIsWholeSecondsRoundedUp() {
        #expect(RateLimiter.Decision.allowed.retryAfterSeconds == nil)
        for (milliseconds, seconds) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2), (9_999, 10)] as [(UInt64, UInt64)] {
            let decision = RateLimiter.Decision.denied(status: 429, retryAfter: .milliseconds(milliseconds))
            #expect(decision.retryAfterSeconds == seconds)
        }
    }

    /// After any story, a request after the announced time passes, and one a millisecond earlier does not.
    @Test func retryAfterIsExact() {
        var random = SplitMix64(seed: 429)
        var denied = 0
        for _ in 0..<400 {
            let list = (0..<Int.random(in: 1...3, using: &random)).map { _ in
                (
                    period: UInt64.random(in: 1...3_000, using: &random),
                    requestsMax: UInt32.random(in: 1...12, using: &random)
                )
            }
            let limiter = Subject(
                windows: windows(list),
                expiry: Bool.random(using: &random) ? nil : .milliseconds(20_000)
            )
            var now: UInt64 = 0
            for _ in 0..<60 {
                now += UInt64.random(in: 0...400, using: &random)
                guard case .denied(_, let span) = limiter.admit(guest, now: at(now)) else { continue }
                denied += 1
                #expect(span.milliseconds > 0)
                let early = Subject(copyOf: limiter)
                let punctual = Subject(copyOf: limiter)
                #expect(!early.allows(guest, now + span.milliseconds - 1))
                #expect(punctual.allows(guest, now + span.milliseconds))
            }
        }
        #expect(denied > 1_000)
    }

    /// Against the same rule written in another way, with many guests at once.
    @Test func agreesWithThePlainRule() {
        var random = SplitMix64(seed: 7)
        var differences: [UInt64] = []
        for _ in 0..<40 {
            let list: [(period: UInt64, requestsMax: UInt32)] = [
                (UInt64.random(in: 2...2_000, using: &random), UInt32.random(in: 0...9, using: &random)),
                (UInt64.random(in: 2...9_000, using: &random), UInt32.random(in: 0...30, using: &random)),
            ]
            let limiter = Subject(windows: windows(list))
            var plain = PlainRule(windows: list, expiry: max(list[0].period, list[1].period))
            var now: UInt64 = 0
            for _ in 0..<2_000 {
                now += Bool.random(using: &random) ? 0 : UInt64.random(in: 0...300, using: &random)
                if Int.random(in: 0..<200, using: &random) == 0 { now += UInt64.random(in: 0...20_000, using: &random) }
                let address = UInt32.random(in: 1...9, using: &random)
                let expected = plain.allows(address, now)
                // An expectation for each would take seconds.
                if limiter.allows(.v4(address), now) != expected { differences.append(now) }
            }
        }
        #expect(differences == [])
    }

    /// What haproxy 2.6.12 answered over loopback: `+` for 200, `-` for 429; milliseconds since the first request,
    /// on the client's clock. The schedules came from a seed.
    @Test(arguments: RecordedDecisions.all)
    func decidesLikeHaproxy(_ recorded: RecordedDecisions) {
        let limiter = Subject(
            windows: windows(recorded.windows),
            families: .ipv4,
            expiry: .milliseconds(recorded.expiry)
        )
        let decisions = recorded.times.map { limiter.allows(guest, $0) ? "+" : "-" }.joined()
        #expect(decisions == recorded.decisions)
    }

    @Test func entriesAreBoundedAndTheLongestSilentGoes() {
        let limiter = Subject(windows: windows([(10_000, 1)]), entriesMax: 3)
        for address: UInt32 in 1...3 { #expect(limiter.allows(.v4(address), UInt64(address))) }
        // 1 speaks again, so 2 is the longest silent when 4 comes.
        #expect(!limiter.allows(.v4(1), 4))
        #expect(limiter.allows(.v4(4), 5))
        #expect(limiter.count == 3)
        #expect(!limiter.allows(.v4(1), 6))
        #expect(!limiter.allows(.v4(3), 7))
        #expect(limiter.allows(.v4(2), 8))
        #expect(limiter.count == 3)
    }

    @Test func floodOfAddressesStaysBounded() {
        let limiter = Subject(windows: windows([(10_000, 3), (1_000, 2)]))
        var random = SplitMix64(seed: 10)
        var largest = 0
        for index in 0..<25_000 {
            _ = limiter.allows(.v6(high: 0xFE80 << 48, low: random.next()), UInt64(index) / 20)
            largest = max(largest, limiter.count)
        }
        #expect(largest == RateLimiter.entriesDefault)
        #expect(limiter.count == RateLimiter.entriesDefault)
        // A minute later they go, two with each request.
        for _ in 0..<RateLimiter.entriesDefault { _ = limiter.allows(guest, 70_000) }
        #expect(limiter.count == 1)
    }

    @Test func clockThatStandsOrJumpsIsHarmless() {
        let limiter = Subject(windows: windows([(1_000, 2)]))
        for nanoseconds in [0, .max, 5, .max / 2, 0] as [UInt64] {
            for _ in 0..<3 { _ = limiter.admit(guest, now: LoopInstant(nanoseconds: nanoseconds)) }
        }
        #expect(limiter.count == 1)
        let year = Subject(
            windows: [
                RateLimiter.Window(period: LoopSpan(nanoseconds: .max), requestsMax: .max),
                .init(period: .zero, requestsMax: 1),
            ]
        )
        #expect(year.allows(guest, 0))
        #expect(!year.allows(guest, 0))
        #expect(year.allows(guest, 1_000))
    }
}

/// haproxy's counting, kept apart for each address and window, with nothing clever.
private struct PlainRule {
    let windows: [(period: UInt64, requestsMax: UInt32)]
    let expiry: UInt64
    var seen: [UInt32: (last: UInt64, counters: [(start: UInt64, current: UInt64, previous: UInt64)])] = [:]

    mutating func allows(_ address: UInt32, _ now: UInt64) -> Bool {
        var state = seen[address] ?? (now, windows.map { _ in (now, 0, 0) })
        if now - state.last >= expiry { state.counters = windows.map { _ in (now, 0, 0) } }
        state.last = now
        var isAllowed = true
        for (index, window) in windows.enumerated() {
            var counter = state.counters[index]
            switch (now - counter.start) / window.period {
            case 0: counter.current += 1
            case 1: counter = (counter.start + window.period, 1, counter.current)
            default: counter = (now, 1, 0)
            }
            let share = counter.previous * (window.period - (now - counter.start)) / window.period
            if counter.current + share > UInt64(window.requestsMax) { isAllowed = false }
            state.counters[index] = counter
        }
        seen[address] = state
        return isAllowed
    }
}

/// One run of a schedule against haproxy.
struct RecordedDecisions: Sendable {
    let windows: [(period: UInt64, requestsMax: UInt32)]
    let expiry: UInt64
    let times: [UInt64]
    let decisions: String

    static let all = [
        RecordedDecisions(
            windows: [(1_000, 4)],
            expiry: 1_000,
            times: [
                0, 158, 427, 472, 558, 667, 1_363, 1_488, 1_602, 1_755, 1_812, 2_299, 2_347, 2_379, 2_400,
                2_401, 2_975, 3_084, 3_320, 3_329, 3_391, 4_823, 4_951, 5_037, 5_094, 6_574, 6_576, 6_723, 6_833, 6_926,
                7_004, 7_539, 7_671, 8_305, 8_382, 8_514, 10_122, 10_279, 10_433, 10_500, 10_932, 10_981, 11_126,
                11_526, 11_643,
                12_184, 12_239, 12_334, 12_464, 12_512, 12_531, 12_684, 12_789, 12_981, 13_114, 13_124, 13_794, 13_940,
                14_047, 14_140,
            ],
            decisions: "++++--+----+---------++++++++----+++++++-----++----------+++"
        ),
        RecordedDecisions(
            windows: [(2_000, 6)],
            expiry: 2_000,
            times: [
                0, 2_672, 2_692, 2_804, 3_370, 4_222, 5_129, 5_182, 5_247, 5_264, 5_432, 5_544, 5_962, 8_241, 9_861,
                10_005, 10_138, 10_373, 10_600, 10_698, 10_788, 10_897, 10_944, 10_994, 11_064, 11_108, 11_157, 11_292,
                11_389, 11_566,
                11_617, 11_827, 12_018, 12_255, 13_431, 15_305, 15_403, 16_828, 17_027, 17_216, 17_706, 18_266, 18_397,
                18_528, 18_668,
                21_160, 21_334, 21_569, 21_663, 21_853, 22_043, 22_172, 22_417, 22_629, 23_501, 23_730, 23_803, 26_659,
                26_743, 26_952,
            ],
            decisions: "+++++++++----++++++++--------------+++++++++-++++++------+++"
        ),
        RecordedDecisions(
            windows: [(1_000, 3), (3_000, 7)],
            expiry: 3_000,
            times: [
                0, 283, 479, 760, 903, 914, 3_844, 4_120, 4_240, 5_200, 5_501, 5_692, 6_054, 6_123, 9_369,
                9_377, 9_525, 9_551, 9_571, 11_275, 11_478, 12_370, 12_673, 12_743, 12_797, 12_871, 12_987, 13_218,
                15_123, 15_387,
                17_811, 17_995, 18_208, 18_331, 18_350, 20_126, 20_214, 20_902, 21_199, 21_257, 21_709, 22_901, 23_051,
                23_088, 23_340,
                23_521, 23_989, 24_071, 24_226, 24_443, 25_223, 25_251, 25_425, 25_572, 25_697, 25_860, 25_904, 26_187,
                26_292, 26_453,
            ],
            decisions: "+++---+++++++-+++--+++--------+++--++++--++++++-------------"
        ),
        RecordedDecisions(
            windows: [(500, 2), (4_000, 20)],
            expiry: 4_000,
            times: [
                0, 100, 167, 211, 224, 231, 324, 411, 558, 627, 690, 803, 907, 972, 973,
                1_981, 2_447, 2_923, 2_955, 2_981, 3_442, 3_906, 5_310, 5_328, 6_299, 6_387, 6_459, 6_510, 6_555, 6_568,
                7_944, 8_056, 8_061, 8_157, 8_607, 8_720, 9_573, 9_617, 9_698, 9_758, 9_783, 9_827, 9_936, 10_056,
                10_066,
                10_151, 10_222, 10_311, 10_403, 10_427, 10_548, 10_603, 10_689, 10_933, 10_961, 11_021, 11_341, 11_427,
                11_457, 11_474,
                11_618, 11_754, 11_858, 11_943, 12_359, 12_406, 12_451, 12_459, 12_507, 12_567, 12_665, 12_849, 12_895,
                12_941, 13_045,
                13_273, 14_666, 14_757, 14_926, 15_009,
            ],
            decisions: "++-------------++++---+++++---++----++------------------------------------------"
        ),
        RecordedDecisions(
            windows: [(1_000, 5)],
            expiry: 5_000,
            times: [
                0, 163, 887, 1_117, 4_031, 5_623, 5_743, 5_822, 6_059, 7_622, 7_694, 7_824, 7_942, 8_074, 8_274,
                8_317, 8_552, 8_619, 8_626, 8_741, 8_831, 8_996, 9_105, 9_210, 9_367, 9_556, 9_645, 9_785, 9_969, 9_970,
                10_143, 10_306, 10_467, 10_633, 10_884, 10_981, 11_116, 11_305, 13_838, 14_054, 14_251, 14_260, 14_290,
                14_676, 14_781,
                14_911, 17_803, 17_989, 18_122, 21_014, 21_207, 23_079, 23_305, 23_416, 23_606, 23_785, 23_838, 24_004,
                24_099, 24_639,
            ],
            decisions: "+++++++++++++++++---------------------+++++---++++++++++---+"
        ),
    ]
}
