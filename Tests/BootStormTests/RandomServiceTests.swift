import RelayLoop
import TestSupport
import Testing

@testable import BootStorm

/// Guests meet services that answer anything at all.
@Suite struct RandomServiceTests {
    private static let bodies = [
        "", "{}", "[]", "{", "7", #"{"uuid": "u"}"#, "2018-08-27\nlatest", "a\nb/\n0=key", "a/\na/b/", "\u{0}",
        #"{"uuid": "u", "files": [{"path": "/a", "content_path": "/content/0000"}]}"#,
        #"{"uuid": 7, "files": {}}"#, #"{"network_config": {"content_path": "//"}}"#, "=\n/\n=/=\n1=", "\r\n \t\n",
    ]
    private static let failures: [CallFailure] = [.refused, .timedOut, .connectTimedOut, .reset, .closed, .malformed]

    private func outcome(_ random: inout SplitMix64, friendly: Bool) -> CallOutcome {
        if !friendly, Int.random(in: 0..<8, using: &random) == 0 {
            return .failed(Self.failures[Int.random(in: 0..<Self.failures.count, using: &random)])
        }
        let statuses = friendly ? [200] : [200, 200, 200, 204, 301, 400, 404, 429, 500, 503, 599]
        let retryAfters = [nil, "0", "1", "-3", "nan", "inf", "1e300", "soon", ""]
        return .answered(
            CallAnswer(
                status: statuses[Int.random(in: 0..<statuses.count, using: &random)],
                retryAfter: retryAfters[Int.random(in: 0..<retryAfters.count, using: &random)],
                body: Array(Self.bodies[Int.random(in: 0..<Self.bodies.count, using: &random)].utf8),
                isCutShort: Int.random(in: 0..<20, using: &random) == 0
            )
        )
    }

    @Test(arguments: GuestProfile.all) func everyBootEndsWithinItsBoundsAndSaysHow(_ profile: GuestProfile) {
        var endings: [String: Int] = [:]
        for seed in 0..<3_000 as Range<UInt64> {
            var random = SplitMix64(seed: seed)
            var boot = GuestBoot(profile: profile, isIPv6: seed % 2 == 0)
            var now = LoopInstant(nanoseconds: 1)
            var action = boot.begin(now: now)
            var requests = 0
            var isOver = false
            while !isOver {
                switch action {
                case .request(let target, let patience):
                    requests += 1
                    #expect(target.hasPrefix("/openstack") || target.hasPrefix(EC2Crawl.root))
                    #expect(target.utf8.allSatisfy { (0x21...0x7E).contains($0) }, "\(target)")
                    #expect(patience.silence > .zero)
                    now = now + .milliseconds(1)
                    // Some services begin well, so that boots get far.
                    let isFriendly = seed % 3 == 0 && requests < 6
                    action = boot.ended(outcome(&random, friendly: isFriendly), now: now)
                case .wait(let span):
                    #expect(span > .zero && span <= .seconds(90_000))
                    now = now + span
                    action = boot.waited(now: now)
                case .finished(let result):
                    isOver = true
                    #expect(result.requests == requests && requests <= GuestBoot.requestsMax)
                    #expect(result.duration == now.since(LoopInstant(nanoseconds: 1)))
                    #expect(result.noDataSource != nil || result.instanceID != nil)
                    let ending = result.isComplete ? "complete" : result.noDataSource == nil ? "partial" : "none"
                    endings[ending, default: 0] += 1
                    // It stays so.
                    #expect(boot.ended(.failed(.closed), now: now) == .finished(result))
                }
            }
        }
        // The services above are of all kinds.
        #expect(endings.count == 3, "\(endings)")
    }
}
