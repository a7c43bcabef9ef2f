import MetadataModel
import RelayLoop
import Testing

@testable import RequestPath

private let start = LoopInstant(nanoseconds: 7_000_000_000_000)
private let red = Scope.network(ResourceID(high: 1, low: 1))
private let blue = Scope.network(ResourceID(high: 1, low: 2))
private let guest = IPAddress.v4(0x0A00_0005)
private let neighbour = IPAddress.v4(0x0A00_0006)
private let guestV6 = IPAddress.v6(high: 0xFD00 << 48, low: 5)

private func counting(_ requestsMax: UInt32, _ families: RateLimiter.Families = [.ipv4, .ipv6]) -> GuestLimits? {
    var settings = GuestLimits.Settings()
    settings.rates = [
        GuestLimits.Rate(windows: [.init(period: .seconds(10), requestsMax: requestsMax)], families: families)
    ]
    return GuestLimits(settings)
}

@Suite struct GuestLimitsTests {
    @Test func nothingToLimitIsNoLimits() {
        #expect(GuestLimits(GuestLimits.Settings()) == nil)
    }

    @Test func twoBootsAtOncePassTheStandardPreset() throws {
        let limits = try #require(GuestLimits(.standard))
        // 28 requests each, and three more for keys: the OpenStack data source, then the EC2 tree, all over again.
        for number in 0..<UInt64(2 * 31) {
            #expect(limits.refusal(of: guest, of: red, now: start + .milliseconds(number)) == nil)
        }
    }

    @Test func askingTwiceASecondForAnHourPassesTheStandardPreset() throws {
        let limits = try #require(GuestLimits(.standard))
        for number in 0..<UInt64(7_200) {
            #expect(limits.refusal(of: guest, of: red, now: start + .milliseconds(number * 510)) == nil)
        }
    }

    @Test func anAbusiveGuestIsBoundedAndToldWhenToComeBack() throws {
        let limits = try #require(GuestLimits(.standard))
        var passed = 0
        for number in 0..<UInt64(60_000) {
            let verdict = limits.refusal(of: guest, of: red, now: start + .milliseconds(number))
            if verdict == nil { passed += 1 } else { #expect((verdict?.retryAfterSeconds ?? 0) >= 1) }
            #expect(verdict == nil || verdict?.status == 429)
        }
        #expect(passed == 125)
        #expect(limits.refusal(of: neighbour, of: red, now: start + .seconds(60)) == nil)
    }

    @Test func theSameAddressOnAnotherNetworkIsAnotherGuest() throws {
        let limits = try #require(counting(1))
        #expect(limits.refusal(of: guest, of: red, now: start) == nil)
        #expect(limits.refusal(of: guest, of: blue, now: start) == nil)
        #expect(limits.refusal(of: guest, of: red, now: start) != nil)
    }

    @Test func bothFamiliesAreCountedAtOnce() throws {
        let limits = try #require(counting(1))
        for address in [guest, guestV6] {
            #expect(limits.refusal(of: address, of: red, now: start) == nil)
            #expect(limits.refusal(of: address, of: red, now: start) != nil)
        }
    }

    @Test func onlyTheFamiliesAskedForAreCounted() throws {
        let limits = try #require(counting(1, .ipv6))
        for _ in 0..<5 { #expect(limits.refusal(of: guest, of: red, now: start) == nil) }
    }

    @Test func connectionsOfAGuestAreBoundedAndComeBack() throws {
        var settings = GuestLimits.Settings()
        settings.connectionsMax = 2
        let limits = try #require(GuestLimits(settings))
        #expect(limits.opened(by: guest, of: red))
        #expect(limits.opened(by: guest, of: red))
        #expect(!limits.opened(by: guest, of: red))
        #expect(limits.opened(by: guest, of: blue))
        #expect(limits.opened(by: neighbour, of: red))
        limits.closed(by: guest, of: red)
        #expect(limits.opened(by: guest, of: red))
        #expect(!limits.opened(by: guest, of: red))
    }
}
