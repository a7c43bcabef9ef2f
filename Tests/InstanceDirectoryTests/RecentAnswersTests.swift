import MetadataModel
import TestSupport
import Testing

@testable import InstanceDirectory

@Suite struct RecentAnswersTests {
    private func entry(_ name: String, at time: Duration) throws -> RecentAnswers.Entry {
        RecentAnswers.Entry(result: try found(name), startedAt: time, finishedAt: time)
    }

    @Test func expiredEntriesGoBeforeTheOldestLivingOne() throws {
        var answers = RecentAnswers(entriesMax: 2, retention: .seconds(10))
        answers.store(try entry("a", at: .seconds(0)), for: try claim(1), now: .seconds(0))
        answers.store(try entry("b", at: .seconds(5)), for: try claim(2), now: .seconds(5))
        answers.store(try entry("c", at: .seconds(10)), for: try claim(3), now: .seconds(10))
        #expect(answers.count == 2)
        #expect(answers.entry(for: try claim(2), now: .seconds(10)) != nil)
        answers.store(try entry("d", at: .seconds(11)), for: try claim(4), now: .seconds(11))
        #expect(answers.entry(for: try claim(2), now: .seconds(11)) == nil)
        #expect(answers.entry(for: try claim(3), now: .seconds(11)) != nil)
    }

    @Test func renewedEntryIsTheYoungest() throws {
        var answers = RecentAnswers(entriesMax: 2, retention: .seconds(10))
        for (number, second) in [(1, 0), (2, 1), (1, 2), (3, 3)] {
            let time = Duration.seconds(second)
            answers.store(try entry("vm", at: time), for: try claim(UInt32(number)), now: time)
        }
        #expect(answers.entry(for: try claim(1), now: .seconds(3)) != nil)
        #expect(answers.entry(for: try claim(2), now: .seconds(3)) == nil)
    }

    @Test func noRoomOrNoTimeStoresNothing() throws {
        for (room, time) in [(0, Duration.seconds(1)), (5, .zero)] {
            var answers = RecentAnswers(entriesMax: room, retention: time)
            answers.store(try entry("vm", at: .zero), for: try claim(1), now: .zero)
            #expect(answers.count == 0)
        }
    }

    @Test func behavesLikeAListSearchedFromTheEnd() throws {
        var random = SplitMix64(seed: 7)
        let (room, retention) = (6, Duration.seconds(40))
        var answers = RecentAnswers(entriesMax: room, retention: retention)
        var list: [(claim: Claim, at: Duration)] = []
        for second in 0..<5_000 {
            let now = Duration.seconds(second)
            let claim = try claim(UInt32.random(in: 0..<10, using: &random))
            list.removeAll { now - $0.at >= retention }
            if Int.random(in: 0..<4, using: &random) == 0 {
                answers.remove(claim)
                list.removeAll { $0.claim == claim }
            } else {
                answers.store(try entry("vm", at: now), for: claim, now: now)
                list.removeAll { $0.claim == claim }
                list.append((claim, now))
                if list.count > room { list.removeFirst() }
            }
            #expect(answers.count >= list.count)
            #expect(answers.count <= room)
            for number in 0..<10 {
                let claim = try InstanceDirectoryTests.claim(UInt32(number))
                let isKept = answers.entry(for: claim, now: now) != nil
                #expect(isKept == list.contains { $0.claim == claim })
            }
        }
    }
}
