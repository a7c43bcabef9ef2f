import MetadataModel
import TestSupport
import Testing

@testable import InstanceDirectory

/// Random requests, ends, cancellations and clearings against the promises of the book.
@Suite struct LookupBookStormTests {
    private struct Asked {
        var claim: Claim
        var freshness: InstanceLookup.Freshness
        var at: Duration
    }

    @Test(arguments: 0..<40)
    func everyCallerGetsOneAnswerThatIsFreshEnoughWithinTheBounds(seed: Int) throws {
        var random = SplitMix64(seed: UInt64(seed))
        var settings = InstanceLookup.Settings.storing(
            [.zero, .milliseconds(300), .seconds(5)][Int.random(in: 0..<3, using: &random)]
        )
        settings.concurrentLookupsMax = Int.random(in: 1...4, using: &random)
        settings.waitingMax = Int.random(in: 4...20, using: &random)
        settings.entriesMax = Int.random(in: 1...5, using: &random)
        var book = LookupBook(settings: settings)
        var now = Duration.zero
        var waiting: [UInt64: Asked] = [:]
        var running: [LookupBook.Start: Duration] = [:]
        var caller: UInt64 = 0

        func check(_ outcome: LookupBook.Outcome, for asked: Asked) throws {
            guard case .success(let answer) = outcome else { return }
            let startedAt = now - answer.askedAgo
            #expect(answer.lifetime <= settings.positiveLifetime)
            if case .nobody = answer.finding { #expect(answer.lifetime == .zero) }
            guard asked.freshness == .fresh else { return }
            // Our lookups last at most two seconds, so one that ended within the pause began within both.
            #expect(startedAt >= asked.at - settings.nobodyPause - .seconds(2))
        }

        func end(_ start: LookupBook.Start) throws {
            running[start] = nil
            let vm = try found("vm-\(Int.random(in: 0...3, using: &random))")
            let result = [vm, nobody, away][Int.random(in: 0..<3, using: &random)]
            guard let ending = book.finish(start, with: result, now: now) else {
                Issue.record("a running lookup is unknown")
                return
            }
            for caller in ending.answered {
                let asked = try #require(waiting[caller])
                waiting[caller] = nil
                #expect(asked.claim == start.claim)
                try check(ending.outcome, for: asked)
            }
            for start in ending.starts { running[start] = now }
        }

        for _ in 0..<2_000 {
            now += .milliseconds(Int.random(in: 0...60, using: &random))
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<6:
                caller += 1
                let asked = Asked(
                    claim: try claim(UInt32.random(in: 0..<8, using: &random)),
                    freshness: Bool.random(using: &random) ? .fresh : .cached,
                    at: now
                )
                switch book.ask(asked.claim, asked.freshness, caller: caller, now: now) {
                case .answer(let outcome): try check(outcome, for: asked)
                case .wait(let starts):
                    waiting[caller] = asked
                    for start in starts { running[start] = now }
                }
            case 6..<9:
                if let start = running.keys.randomElement(using: &random) { try end(start) }
            default:
                if let caller = waiting.keys.randomElement(using: &random) {
                    waiting[caller] = nil
                    let wasWaiting = book.abandon(caller)
                    #expect(wasWaiting)
                }
                if Int.random(in: 0..<10, using: &random) == 0 { book.removeAll() }
            }
            for start in running.filter({ now - $0.value >= .seconds(2) }).keys { try end(start) }
            let counters = book.counters
            #expect(counters.waitingNow == waiting.count)
            #expect(counters.waitingNow <= settings.waitingMax)
            #expect(counters.runningNow == running.count)
            #expect(counters.runningNow <= settings.concurrentLookupsMax)
            #expect(counters.storedNow <= settings.entriesMax)
            #expect(Set(running.keys.map(\.claim)).count == running.count, "two lookups of one claim")
        }
        while let start = running.keys.first { try end(start) }
        #expect(waiting.isEmpty)
        #expect(book.counters.queuedNow == 0)
    }
}
