import MetadataModel
import TestSupport
import Testing

@testable import InstanceDirectory

/// The rules, driven step by step with numbers for callers and durations for time.
@Suite struct LookupBookTests {
    private func start(_ step: LookupBook.Step, sourceLocation: SourceLocation = #_sourceLocation) throws
        -> LookupBook.Start
    {
        guard case .wait(let starts) = step else {
            Issue.record("answered at once", sourceLocation: sourceLocation)
            throw CancellationError()
        }
        return try #require(starts.first, sourceLocation: sourceLocation)
    }

    private struct NotEnded: Error {}

    private func ended(_ ending: LookupBook.Ending?) throws -> LookupBook.Ending {
        guard let ending else { throw NotEnded() }
        return ending
    }

    private func isWaiting(_ step: LookupBook.Step) -> Bool {
        if case .wait(let starts) = step { starts.isEmpty } else { false }
    }

    private func answer(_ step: LookupBook.Step) throws -> InstanceLookup.Answer {
        guard case .answer(let outcome) = step else { throw CancellationError() }
        return try outcome.get()
    }

    @Test func storedInstanceAnswersUntilItsLifetimeEndsAndNotLonger() throws {
        var book = LookupBook(settings: .storing(.seconds(10)))
        let claim = try claim(1)
        let first = try start(book.ask(claim, .cached, caller: 1, now: .zero))
        _ = book.finish(first, with: try found("vm"), now: .seconds(1))

        let kept = try answer(book.ask(claim, .cached, caller: 2, now: .seconds(4)))
        #expect(kept.finding == .instance(try instance("vm")))
        #expect(kept.lifetime == .seconds(7))
        #expect(kept.askedAgo == .seconds(4))
        _ = try answer(book.ask(claim, .cached, caller: 3, now: .seconds(11) - .nanoseconds(1)))
        _ = try start(book.ask(claim, .cached, caller: 4, now: .seconds(11)))
        #expect(book.counters.hits == 2)
        #expect(book.counters.lookups == 2)
    }

    @Test func nothingIsStoredWithoutALifetime() throws {
        var book = LookupBook(settings: .storing(.zero))
        let claim = try claim(1)
        let first = try start(book.ask(claim, .cached, caller: 1, now: .zero))
        let ending = try ended(book.finish(first, with: try found("vm"), now: .zero))
        #expect(try ending.outcome.get().lifetime == .zero)
        _ = try start(book.ask(claim, .cached, caller: 2, now: .zero))
    }

    // LP 1460177's era kept "nobody" as long as an instance.
    @Test(arguments: [
        (nobody, Duration.milliseconds(500)),
        (away, Duration.milliseconds(200)),
    ])
    func nobodyAndFailuresOnlyPauseTheLookups(
        result: Result<Finding, DirectoryError>,
        pause: Duration
    ) throws {
        for freshness in [InstanceLookup.Freshness.cached, .fresh] {
            var book = LookupBook(settings: .storing(.seconds(600)))
            let claim = try claim(1)
            let first = try start(book.ask(claim, .cached, caller: 1, now: .zero))
            _ = book.finish(first, with: result, now: .seconds(1))

            let during = book.ask(claim, freshness, caller: 2, now: .seconds(1) + pause - .nanoseconds(1))
            guard case .answer(let outcome) = during else {
                Issue.record("asked again during the pause")
                continue
            }
            switch result {
            case .success(let finding):
                #expect(try outcome.get().finding == finding)
                #expect(try outcome.get().lifetime == .zero)
            case .failure(let error):
                #expect(throws: DirectoryError.self) { try outcome.get() }
                if case .failure(let told) = outcome { #expect(told.code == error.code) }
            }
            _ = try start(book.ask(claim, freshness, caller: 3, now: .seconds(1) + pause))
            #expect(book.counters.paused == 1)
            #expect(book.counters.hits == 0)
        }
    }

    // LP 1868867: a fixed address reused by a new instance.
    @Test func freshRequestGoesPastTheStoreAndReplacesWhatIsInIt() throws {
        var book = LookupBook(settings: .storing(.seconds(600)))
        let claim = try claim(1)
        let first = try start(book.ask(claim, .cached, caller: 1, now: .zero))
        _ = book.finish(first, with: try found("old"), now: .zero)

        let again = try start(book.ask(claim, .fresh, caller: 2, now: .seconds(5)))
        _ = book.finish(again, with: try found("new"), now: .seconds(5))
        let kept = try answer(book.ask(claim, .cached, caller: 3, now: .seconds(6)))
        #expect(kept.finding == .instance(try instance("new")))
        #expect(kept.lifetime == .seconds(599))
    }

    @Test func freshNobodyRemovesTheStoredInstance() throws {
        var book = LookupBook(settings: .storing(.seconds(600)))
        let claim = try claim(1)
        let first = try start(book.ask(claim, .cached, caller: 1, now: .zero))
        _ = book.finish(first, with: try found("old"), now: .zero)
        let again = try start(book.ask(claim, .fresh, caller: 2, now: .seconds(5)))
        _ = book.finish(again, with: nobody, now: .seconds(5))
        #expect(book.counters.storedNow == 0)
        _ = try start(book.ask(claim, .cached, caller: 3, now: .seconds(6)))
    }

    @Test func freshFailureLeavesTheStoredInstanceToCachedRequests() throws {
        var book = LookupBook(settings: .storing(.seconds(600)))
        let claim = try claim(1)
        let first = try start(book.ask(claim, .cached, caller: 1, now: .zero))
        _ = book.finish(first, with: try found("vm"), now: .zero)
        let again = try start(book.ask(claim, .fresh, caller: 2, now: .seconds(5)))
        _ = book.finish(again, with: away, now: .seconds(5))
        #expect(try answer(book.ask(claim, .cached, caller: 3, now: .seconds(5))).finding == .instance(instance("vm")))
        guard case .answer(.failure) = book.ask(claim, .fresh, caller: 4, now: .seconds(5)) else {
            Issue.record("a fresh request within the pause must get the failure")
            return
        }
    }

    @Test func freshRequestPicksUpALookupThatJustEndedButNoOlderOne() throws {
        for lifetime in [Duration.zero, .seconds(600)] {
            var book = LookupBook(settings: .storing(lifetime))
            let claim = try claim(1)
            let first = try start(book.ask(claim, .cached, caller: 1, now: .zero))
            _ = book.finish(first, with: try found("vm"), now: .milliseconds(20))
            let picked = try answer(book.ask(claim, .fresh, caller: 2, now: .milliseconds(519)))
            #expect(picked.askedAgo == .milliseconds(519))
            _ = try start(book.ask(claim, .fresh, caller: 3, now: .milliseconds(520)))
        }
    }

    @Test func freshRequestDoesNotJoinALookupThatBeganBeforeIt() throws {
        var book = LookupBook(settings: .storing(.seconds(600)))
        let claim = try claim(1)
        let first = try start(book.ask(claim, .cached, caller: 1, now: .zero))
        #expect(isWaiting(book.ask(claim, .fresh, caller: 2, now: .seconds(1))))
        #expect(isWaiting(book.ask(claim, .fresh, caller: 3, now: .seconds(1))))
        #expect(isWaiting(book.ask(claim, .cached, caller: 4, now: .seconds(1))))

        let ending = try ended(book.finish(first, with: try found("old"), now: .seconds(2)))
        #expect(ending.answered == [1, 4])
        let next = try #require(ending.starts.first)
        #expect(ending.starts.count == 1)
        let second = try ended(book.finish(next, with: try found("new"), now: .seconds(3)))
        #expect(second.answered == [2, 3])
        #expect(try second.outcome.get().finding == .instance(instance("new")))
        #expect(book.counters.lookups == 2)
    }

    @Test func freshRequestsThatWaitForTheNextLookupTakeANobodyThatJustCameIn() throws {
        var book = LookupBook(settings: .storing(.seconds(600)))
        let claim = try claim(1)
        let first = try start(book.ask(claim, .cached, caller: 1, now: .zero))
        #expect(isWaiting(book.ask(claim, .fresh, caller: 2, now: .seconds(1))))
        let ending = try ended(book.finish(first, with: nobody, now: .seconds(2)))
        #expect(ending.answered == [1, 2])
        #expect(ending.starts == [])
    }

    @Test func freshRequestJoinsALookupThatIsStillQueued() throws {
        var settings = InstanceLookup.Settings.storing(.zero)
        settings.concurrentLookupsMax = 1
        var book = LookupBook(settings: settings)
        let running = try start(book.ask(claim(1), .cached, caller: 1, now: .zero))
        #expect(isWaiting(book.ask(try claim(2), .cached, caller: 2, now: .zero)))
        #expect(isWaiting(book.ask(try claim(2), .fresh, caller: 3, now: .seconds(1))))
        let ending = try ended(book.finish(running, with: nobody, now: .seconds(2)))
        let next = try #require(ending.starts.first)
        let last = try ended(book.finish(next, with: nobody, now: .seconds(3)))
        #expect(last.answered == [2, 3])
    }

    @Test func queuedLookupsStartInTheOrderOfTheirRequests() throws {
        var settings = InstanceLookup.Settings.storing(.zero)
        settings.concurrentLookupsMax = 2
        var book = LookupBook(settings: settings)
        var running = [
            try start(book.ask(claim(0), .cached, caller: 0, now: .zero)),
            try start(book.ask(claim(1), .cached, caller: 1, now: .zero)),
        ]
        for number in 2..<6 {
            #expect(isWaiting(book.ask(try claim(UInt32(number)), .cached, caller: UInt64(number), now: .zero)))
        }
        #expect(book.counters.runningNow == 2)
        #expect(book.counters.queuedNow == 4)
        var order: [Claim] = []
        while !running.isEmpty {
            let ending = try ended(book.finish(running.removeFirst(), with: nobody, now: .zero))
            order += ending.starts.map(\.claim)
            running += ending.starts
        }
        #expect(order == [try claim(2), try claim(3), try claim(4), try claim(5)])
    }

    @Test func callersBeyondTheBoundAreTurnedAwayAtOnce() throws {
        var settings = InstanceLookup.Settings.storing(.zero)
        settings.waitingMax = 3
        var book = LookupBook(settings: settings)
        let first = try start(book.ask(claim(1), .cached, caller: 1, now: .zero))
        #expect(isWaiting(book.ask(try claim(1), .cached, caller: 2, now: .zero)))
        _ = try start(book.ask(claim(2), .cached, caller: 3, now: .zero))
        guard case .answer(.failure(let error)) = book.ask(try claim(1), .cached, caller: 4, now: .zero) else {
            Issue.record("the fourth caller must be refused")
            return
        }
        #expect(error.code == .unavailable)
        #expect(error.waitingCanHelp)
        #expect(book.counters.refused == 1)
        _ = book.finish(first, with: nobody, now: .zero)
        _ = try start(book.ask(claim(3), .cached, caller: 5, now: .zero))
    }

    @Test func queuedLookupGoesWithItsLastCallerAndARunningOneStays() throws {
        var settings = InstanceLookup.Settings.storing(.seconds(600))
        settings.concurrentLookupsMax = 1
        var book = LookupBook(settings: settings)
        let running = try start(book.ask(claim(1), .cached, caller: 1, now: .zero))
        #expect(isWaiting(book.ask(try claim(2), .cached, caller: 2, now: .zero)))
        #expect(isWaiting(book.ask(try claim(2), .cached, caller: 3, now: .zero)))
        let steps = [book.abandon(2), book.abandon(2), book.abandon(3), book.abandon(1)]
        #expect(steps == [true, false, true, true])
        #expect(book.counters.queuedNow == 0)
        #expect(book.counters.runningNow == 1)
        let ending = try ended(book.finish(running, with: try found("vm"), now: .zero))
        #expect(ending.answered == [])
        #expect(ending.starts == [])
        #expect(try answer(book.ask(claim(1), .cached, caller: 4, now: .zero)).finding == .instance(instance("vm")))
    }

    @Test func secondEndOfALookupChangesNothing() throws {
        var book = LookupBook(settings: .storing(.seconds(600)))
        let first = try start(book.ask(claim(1), .cached, caller: 1, now: .zero))
        _ = try ended(book.finish(first, with: away, now: .zero))
        #expect(throws: NotEnded.self) { try ended(book.finish(first, with: found("late"), now: .zero)) }
        let next = try start(book.ask(claim(1), .cached, caller: 2, now: .seconds(1)))
        #expect(throws: NotEnded.self) { try ended(book.finish(first, with: found("late"), now: .seconds(1))) }
        let ending = try ended(book.finish(next, with: nobody, now: .seconds(1)))
        #expect(ending.answered == [2])
    }

    @Test func whatALookupFindsIsNotStoredIfTheStoreWasClearedMeanwhile() throws {
        var book = LookupBook(settings: .storing(.seconds(600)))
        let first = try start(book.ask(claim(1), .cached, caller: 1, now: .zero))
        book.removeAll()
        #expect(isWaiting(book.ask(try claim(1), .cached, caller: 2, now: .zero)))
        let ending = try ended(book.finish(first, with: try found("old"), now: .zero))
        #expect(ending.answered == [1])
        #expect(book.counters.storedNow == 0)
        let next = try #require(ending.starts.first)
        let second = try ended(book.finish(next, with: try found("new"), now: .zero))
        #expect(second.answered == [2])
        #expect(book.counters.storedNow == 1)
    }

    @Test func guestThatTriesManyAddressesPushesNoInstanceOut() throws {
        var settings = InstanceLookup.Settings.storing(.seconds(600))
        settings.entriesMax = 10
        var book = LookupBook(settings: settings)
        let first = try start(book.ask(claim(0), .cached, caller: 0, now: .zero))
        _ = book.finish(first, with: try found("vm"), now: .zero)
        for number in 1...1_000 {
            let start = try start(book.ask(claim(UInt32(number)), .cached, caller: UInt64(number), now: .zero))
            _ = book.finish(start, with: nobody, now: .zero)
        }
        _ = try answer(book.ask(claim(0), .cached, caller: 5_000, now: .zero))
    }
}
