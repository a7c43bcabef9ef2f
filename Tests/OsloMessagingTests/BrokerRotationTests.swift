import TestSupport
import Testing

@testable import OsloMessaging

@Suite struct BrokerRotationTests {
    private static func brokers(_ count: Int) -> [MessagingSettings.Broker] {
        (0..<count).map { .init(host: "rabbit-\($0)") }
    }

    @Test(arguments: [1, 2, 3, 7], 0..<5)
    func everyBrokerIsTriedOnceBeforeThereIsAPause(count: Int, seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var rotation = BrokerRotation(Self.brokers(count), retry: .init(), using: &random)
        // 1 s and 2 s more after each round, up to 30 s.
        for pause in [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 30, 30] {
            var tried: Set<String> = []
            for step in 1...count {
                tried.insert(rotation.current.host)
                #expect(rotation.failed(using: &random) == (step == count ? .seconds(pause) : .zero))
            }
            #expect(tried.count == count)
        }
    }

    @Test func connectionThatStandsEndsTheBackOff() {
        var random = SplitMix64(seed: 1)
        var rotation = BrokerRotation(Self.brokers(2), retry: .init(), using: &random)
        for _ in 0..<5 { _ = rotation.failed(using: &random) }
        let current = rotation.current
        rotation.succeeded()
        #expect(rotation.current == current)
        #expect(rotation.failed(using: &random) == .zero)
        #expect(rotation.current != current)
        #expect(rotation.failed(using: &random) == .seconds(1))
    }

    @Test(arguments: [(2, 5, 3, [2, 3, 3]), (4, 0, 30, [4, 4, 4]), (10, 2, 5, [10, 10, 10])])
    func pausesFollowTheOptions(first: Int, growth: Int, longest: Int, pauses: [Int]) {
        var random = SplitMix64(seed: 1)
        var retry = MessagingSettings.Retry()
        retry.first = .seconds(first)
        retry.growth = .seconds(growth)
        retry.longest = .seconds(longest)
        var rotation = BrokerRotation(Self.brokers(1), retry: retry, using: &random)
        for pause in pauses { #expect(rotation.failed(using: &random) == .seconds(pause)) }
    }

    // A thousand agents that read the same URL must not all choose the same node.
    @Test func agentsStartWithDifferentBrokers() {
        var first: Set<String> = []
        for seed in 0..<40 {
            var random = SplitMix64(seed: UInt64(seed))
            first.insert(BrokerRotation(Self.brokers(3), retry: .init(), using: &random).current.host)
        }
        #expect(first.count == 3)
    }

    @Test func shuffleTakesAnyBrokerNextAndPausesAsOften() {
        var random = SplitMix64(seed: 7)
        var retry = MessagingSettings.Retry()
        retry.isShuffled = true
        var rotation = BrokerRotation(Self.brokers(3), retry: retry, using: &random)
        var staysSometimes = false
        var pauses: [Duration] = []
        for _ in 0..<60 {
            let before = rotation.current
            pauses.append(rotation.failed(using: &random))
            if rotation.current == before { staysSometimes = true }
        }
        // Round robin never stays.
        #expect(staysSometimes)
        #expect(pauses.filter { $0 > .zero }.count == 20)
    }
}
