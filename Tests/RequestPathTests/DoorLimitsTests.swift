import MetadataModel
import RelayLoop
import Testing

@testable import RequestPath

@Suite struct DoorLimitsTests {
    private let start = LoopInstant(nanoseconds: 9_000_000_000_000)

    private func limits(connectionsMax: Int? = nil, rate: RateLimiter? = nil) -> DoorLimits {
        DoorLimits(
            requestTimeout: .seconds(1),
            clientTimeout: .seconds(1),
            keepAliveTimeout: .seconds(1),
            connectionsMax: connectionsMax,
            rate: rate
        )
    }

    @Test func withoutARateNobodyIsRefused() {
        let limits = limits()
        for _ in 0..<100 { #expect(limits.refusal(of: .v4(1), now: start) == nil) }
    }

    @Test func withARateEachSourceHasItsOwn() {
        let limits = limits(rate: RateLimiter(windows: [.init(period: .seconds(10), requestsMax: 1)]))
        #expect(limits.refusal(of: .v4(1), now: start) == nil)
        #expect(limits.refusal(of: .v4(1), now: start)?.status == 429)
        #expect(limits.refusal(of: .v4(2), now: start) == nil)
    }

    @Test func connectionsAreCountedUntilTheyEnd() {
        let limits = limits(connectionsMax: 2)
        limits.opened()
        #expect(limits.hasRoom)
        limits.opened()
        #expect(!limits.hasRoom)
        limits.closed()
        #expect(limits.hasRoom)
    }
}
