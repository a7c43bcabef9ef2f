import TestSupport
import Testing

@testable import OsloMessaging

/// Connections that fail and end, and when they are made again.
@Suite(.timeLimit(.minutes(1))) struct MessageBusConnectionTests {
    // MARK: Loss

    @Test func callInFlightIsSentAgainOnTheNextConnection() async throws {
        try await BusStory.run { story in
            let answer = story.call(timeout: .seconds(10))
            let first = try #require(try await story.broker.sent(1).first)
            await story.clock.sleepersReached(1)
            story.clock.advance(by: .seconds(4))
            let link = try await story.broker.link(1)
            link.breakDown()
            let again = try #require(try await story.broker.sent(2).last)
            let second = try await story.broker.link(2)
            #expect(again.link == 2)
            #expect(again.callID == first.callID)
            // Only the time that is left.
            #expect(again.publication.expiration == 6_000)
            // Answers to the first sending wait in the queue of that name.
            #expect(second.replyQueue == link.replyQueue)
            #expect(again.message?["_reply_q"]?.text == second.replyQueue)
            try second.deliver(reply(to: again.callID, "here"))
            #expect(try await answer.value.text == "here")
            #expect(link.ending == .abandoned)
            #expect(story.broker.attempts[0].broker != story.broker.attempts[1].broker)
            #expect(story.lines("Connected to AMQP server on rabbit-").count == 1)
            #expect(story.lines("Reconnected to AMQP server on rabbit-").count == 1)
            #expect(story.lines("AMQP server on rabbit-").first?.contains("Connection reset by peer") == true)
        }
    }

    @Test func castThatWasNotConfirmedIsSentAgain() async throws {
        let broker = FakeBroker()
        broker.react { sent in
            sent.link == 1
                ? [.failure(LinkError("gone"))] : [.success(.confirmed(tag: sent.tag, multiple: false))]
        }
        try await BusStory.run(broker) { story in
            #expect(await story.cast().value == nil)
            #expect(broker.sent.map(\.link) == [1, 2])
            #expect(Set(broker.sent.map(\.callID)).count == 1)
        }
    }

    // MARK: Fail-over

    @Test func secondBrokerIsUsedWhenTheFirstIsDown() async throws {
        let broker = FakeBroker()
        broker.fail(LinkError("Connection refused"))
        try await BusStory.run(broker) { story in
            _ = try await broker.link(1)
            #expect(Set(broker.attempts.map(\.broker.host)) == ["rabbit-1", "rabbit-2"])
            #expect(broker.attempts.count == 2)
            let first = try #require(broker.attempts.first).broker
            #expect(
                story.lines("AMQP server on") == [
                    "AMQP server on \(first.address) is unreachable: Connection refused. Trying again in 0 seconds."
                ]
            )
            #expect(await story.cast().value == nil)
        }
    }

    @Test func callFailsOnceTheBusHasBeenAwayForAWhile() async throws {
        let broker = FakeBroker()
        broker.goDown()
        try await BusStory.run(broker, { $0.awayPatience = .seconds(2) }) { story in
            // The absence has a timer; each call adds its own.
            await story.clock.sleepersReached(1)
            let early = story.call(timeout: .seconds(10))
            let patient = story.call(timeout: .seconds(10), isPatient: true)
            await story.clock.sleepersReached(3)
            story.clock.advance(by: .seconds(2) - .nanoseconds(1))
            #expect(story.clock.sleepers == 3)
            story.clock.advance(by: .nanoseconds(1))
            let error = await early.value.error
            #expect(error?.code == .unreachable)
            #expect(error?.message.contains("rabbit-") == true && error?.message.contains("Connection refused") == true)
            // From now on nobody waits who is in a hurry.
            #expect(await story.call().value.code == .unreachable)
            // Who waits to the end is told the same: no server has had the time to reply.
            story.clock.advance(by: .seconds(8))
            let last = await patient.value.error
            #expect(last?.code == .unreachable)
            #expect(last?.message.contains("Connection refused") == true)
        }
    }

    @Test func callWaitsForABrokerThatComesBackSoon() async throws {
        let broker = FakeBroker()
        broker.goDown()
        try await BusStory.run(broker, { $0.awayPatience = .seconds(5) }) { story in
            try await until { !story.lines("AMQP server on").filter { $0.hasSuffix("in 1 seconds.") }.isEmpty }
            let answer = story.call()
            await story.clock.sleepersReached(2)
            broker.recover()
            try await steps(in: story, of: .milliseconds(100), atMost: 40) { !broker.links.isEmpty }
            let id = try #require(try await broker.sent(1).first).callID
            try await broker.link(1).deliver(reply(to: id, "here"))
            #expect(try await answer.value.text == "here")
            // The old absence is over: its timer ends nothing any more.
            let next = story.call(timeout: .seconds(100))
            _ = try await broker.sent(2)
            await story.clock.sleepersReached(2)
            story.clock.advance(by: .seconds(10))
            try await until { story.clock.sleepers == 1 }
            try await broker.link(1).deliver(reply(to: broker.sent[1].callID, "there"))
            #expect(try await next.value.text == "there")
        }
    }

    /// Moves the clock in steps until `isTrue`, each with a moment for the bus's thread.
    private func steps(
        in story: BusStory,
        of time: Duration,
        atMost count: Int,
        _ isTrue: () -> Bool
    ) async throws {
        for _ in 0..<count {
            if isTrue() { return }
            story.advance(by: time)
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    /// The settings of the two tests below: the second failure costs an hour.
    private func longPause(_ settings: inout MessagingSettings) {
        settings.brokers = [MessagingSettings.Broker(host: "rabbit-1")]
        settings.retry.growth = .seconds(3_600)
        settings.retry.longest = .seconds(7_200)
        settings.awayPatience = .seconds(1)
    }

    // A guest cannot wait for long, and asks about every second; a thousand idle agents can.
    @Test func demandShortensThePauseAndAStateReportDoesNot() async throws {
        let broker = FakeBroker()
        broker.goDown()
        try await BusStory.run(broker, longPause) { story in
            try await until { story.lines("AMQP server on").count == 1 }
            try await steps(in: story, of: .milliseconds(100), atMost: 3_000) {
                !story.lines("AMQP server on").filter { $0.hasSuffix("in 3601 seconds.") }.isEmpty
            }
            #expect(broker.attempts.count == 2)
            let report = story.call(timeout: .seconds(10_000), isPatient: true)
            try await steps(in: story, of: .seconds(10), atMost: 50) { broker.attempts.count > 2 }
            #expect(broker.attempts.count == 2)
            broker.recover()
            // Turned away at once, but heard.
            #expect(await story.call().value.code == .unreachable)
            try await steps(in: story, of: .milliseconds(100), atMost: 3_000) { broker.attempts.count > 2 }
            let id = try #require(try await broker.sent(1).first).callID
            try await broker.link(1).deliver(reply(to: id, "here"))
            #expect(try await report.value.text == "here")
        }
    }

    // Or kombu_reconnect_splay would spread no agent that ever looked an instance up.
    @Test func demandOfBeforeTheLossIsForgotten() async throws {
        try await BusStory.run(FakeBroker(), { $0.retry.delay = .seconds(3_600) }) { story in
            let answer = story.call()
            let id = try #require(try await story.broker.sent(1).first).callID
            let link = try await story.broker.link(1)
            try link.deliver(reply(to: id, "here"))
            #expect(try await answer.value.text == "here")
            link.breakDown()
            try await until { !story.lines("AMQP server on").isEmpty }
            try await steps(in: story, of: .seconds(10), atMost: 50) { story.broker.attempts.count > 1 }
            #expect(story.broker.attempts.count == 1)
        }
    }
}
