import InMemoryLogging
import InstanceDirectory
import Logging
import MetadataModel
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(1))) struct InstanceLookupTests {
    private let clock = ManualClock()
    private let directory = ScriptedDirectory()
    private let log = InMemoryLogHandler()

    private func lookup(_ settings: InstanceLookup.Settings = .storing(.seconds(600))) -> InstanceLookup {
        let logger = Logger(label: "test") { _ in log }
        return InstanceLookup(directory: directory, settings: settings, clock: clock, logger: logger)
    }

    /// Nothing else tells that a caller has begun to wait than the counters.
    private func waiting(_ count: Int, in lookup: InstanceLookup) async throws {
        try await until { lookup.counters.waitingNow == count }
    }

    private func until(_ isTrue: () -> Bool) async throws {
        while !isTrue() {
            try Task.checkCancellation()
            await Task.yield()
        }
    }

    // LP 1593342: oslo.cache keys that never matched.
    @Test func secondRequestIsAHit() async throws {
        let lookup = lookup()
        let claim = try claim(1)
        directory.answer(claim, with: try found("vm"))
        for _ in 0..<3 {
            let answer = try await lookup.find(claim, .cached).get()
            #expect(answer.finding == .instance(try instance("vm")))
            #expect(answer.lifetime == .seconds(600))
        }
        #expect(directory.asked == [claim])
        #expect(lookup.counters.hits == 2)
        lookup.removeAll()
        _ = await lookup.find(claim, .cached)
        #expect(directory.asked.count == 2)
    }

    // LP 1276440: several API calls per request.
    @Test func stormOfEqualRequestsCostsOneLookup() async throws {
        let lookup = lookup(.storing(.zero))
        let claim = try claim(1)
        directory.answer(claim, with: try found("vm"))
        directory.hold()
        let expected = Finding.instance(try instance("vm"))
        try await withThrowingTaskGroup(of: Result<InstanceLookup.Answer, DirectoryError>.self) { group in
            for _ in 0..<200 { group.addTask { await lookup.find(claim, .cached) } }
            try await waiting(200, in: lookup)
            directory.release()
            for try await result in group { #expect((try? result.get().finding) == expected) }
        }
        #expect(directory.asked == [claim])
        #expect(lookup.counters.lookups == 1)
        #expect(lookup.counters.joined == 199)
        #expect(lookup.counters.waitingNow == 0)
    }

    @Test func cancelledRequestLeavesTheOthersWaiting() async throws {
        let lookup = lookup()
        let claim = try claim(1)
        directory.answer(claim, with: try found("vm"))
        directory.hold()
        let first = Task { await lookup.find(claim, .cached) }
        try await waiting(1, in: lookup)
        let second = Task { await lookup.find(claim, .cached) }
        try await waiting(2, in: lookup)
        first.cancel()
        guard case .failure(let error) = await first.value else {
            Issue.record("the cancelled request was answered")
            return
        }
        #expect(error.code == .unavailable)
        #expect(directory.cancelled == 0)
        directory.release()
        #expect(try await second.value.get().finding == .instance(instance("vm")))
        #expect(lookup.counters.abandoned == 1)
    }

    @Test func requestOfATaskCancelledBeforehandDoesNotWait() async throws {
        let lookup = lookup()
        let claim = try claim(1)
        directory.hold()
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            return await lookup.find(claim, .cached)
        }
        task.cancel()
        let outcome = await task.value
        #expect(throws: DirectoryError.self) { try outcome.get() }
        #expect(directory.asked == [])
    }

    @Test func lookupEndsWithItsTimeLimitAndTheQuestionIsCancelled() async throws {
        let lookup = lookup()
        let claim = try claim(1)
        directory.hold()
        let request = Task { await lookup.find(claim, .cached) }
        await directory.askedReached(1)
        await clock.sleepersReached(1)
        clock.advance(by: .seconds(30) - .nanoseconds(1))
        #expect(clock.sleepers == 1)
        clock.advance(by: .nanoseconds(1))
        guard case .failure(let error) = await request.value else {
            Issue.record("answered")
            return
        }
        #expect(error.code == .timeout)
        #expect(error.message.contains("scripted"))
        try await until { directory.cancelled == 1 }
        #expect(lookup.counters.failures == 1)
        #expect(lookup.counters.runningNow == 0)
    }

    @Test func questionThatIgnoresItsCancellationBlocksNobody() async throws {
        var settings = InstanceLookup.Settings.storing(.seconds(600))
        settings.concurrentLookupsMax = 1
        let lookup = lookup(settings)
        let (stuck, other) = (try claim(1), try claim(2))
        directory.answer(other, with: try found("vm"))
        directory.hold(ignoringCancellation: true)
        let first = Task { await lookup.find(stuck, .cached) }
        await directory.askedReached(1)
        let second = Task { await lookup.find(other, .cached) }
        try await waiting(2, in: lookup)
        await clock.sleepersReached(1)
        clock.advance(by: .seconds(30))
        let outcome = await first.value
        #expect(throws: DirectoryError.self) { try outcome.get() }
        await directory.askedReached(2)
        directory.release(other)
        #expect(try await second.value.get().finding == .instance(instance("vm")))
        // Its late answer must not be taken for that of a later lookup.
        directory.release(stuck, with: try found("late"))
        #expect(lookup.counters.storedNow == 1)
    }

    @Test func timeLimitDoesNotOutliveItsLookup() async throws {
        let lookup = lookup()
        _ = await lookup.find(try claim(1), .cached)
        try await until { clock.sleepers == 0 }
    }

    @Test func failureIsReportedOnceAMinuteAndSoIsItsEnd() async throws {
        let lookup = lookup()
        let claim = try claim(1)
        directory.answer(claim, with: away, away, away, nobody, nobody, away)
        for _ in 0..<3 {
            _ = await lookup.find(claim, .cached)
            clock.advance(by: .seconds(1))
        }
        #expect(log.entries.map(\.level) == [.warning])
        #expect(log.entries.first?.metadata["reason"] == "Nobody answers. (unreachable)")
        for _ in 0..<2 {
            _ = await lookup.find(claim, .cached)
            clock.advance(by: .seconds(1))
        }
        #expect(log.entries.map(\.level) == [.warning, .info])
        clock.advance(by: .seconds(60))
        _ = await lookup.find(claim, .cached)
        #expect(log.entries.map(\.level) == [.warning, .info, .warning])
    }
}
