import TestSupport
import Testing

@testable import OsloMessaging

/// A broker that is short of memory or disk.
@Suite(.timeLimit(.minutes(1))) struct MessageBusBlockedTests {
    @Test func blockedConnectionKeepsCallsUntilTheyLosePatience() async throws {
        try await BusStory.run { story in
            let link = try await story.broker.link(1)
            link.happen(.blocked(reason: "low on memory"))
            await story.clock.sleepersReached(1)
            let early = story.call()
            let patient = story.call(timeout: .seconds(100), isPatient: true)
            await story.clock.sleepersReached(3)
            story.advance(by: .seconds(2))
            let error = await early.value.error
            #expect(error?.code == .blocked)
            #expect(error?.message.contains("low on memory") == true)
            #expect(await story.call().value.code == .blocked)
            try await story.lookAround()
            #expect(story.broker.sent.isEmpty)
            link.happen(.unblocked)
            let id = try #require(try await story.broker.sent(1).first).callID
            try link.deliver(reply(to: id, "here"))
            #expect(try await patient.value.text == "here")
            // Who gave up is not sent, and who comes now is.
            let next = story.call()
            let nextID = try #require(try await story.broker.sent(2).last).callID
            try link.deliver(reply(to: nextID, "there"))
            #expect(try await next.value.text == "there")
            #expect(story.broker.sent.count == 2)
            #expect(story.lines("The broker has blocked the connection: low on memory").count == 1)
            #expect(story.lines("The broker has unblocked the connection").count == 1)
        }
    }

    @Test func messagesWhoseTimeEndsWhileTheConnectionIsBlockedSaySo() async throws {
        let broker = FakeBroker()
        broker.react { _ in [] }
        try await BusStory.run(broker) { story in
            // One has been sent before, and the other one could not be.
            let call = story.call(timeout: .seconds(30), isPatient: true)
            _ = try await broker.sent(1)
            try await broker.link(1).happen(.blocked(reason: "low on disk"))
            await story.clock.sleepersReached(2)
            let cast = story.cast(timeout: .seconds(30))
            await story.clock.sleepersReached(3)
            story.advance(by: .seconds(30))
            for error in [await call.value.error, await cast.value] {
                #expect(error?.code == .blocked)
                #expect(error?.message.contains("low on disk") == true)
            }
        }
    }

    @Test func callIsSentOnceTheConnectionIsUnblocked() async throws {
        try await BusStory.run { story in
            let link = try await story.broker.link(1)
            link.happen(.blocked(reason: "low on disk"))
            await story.clock.sleepersReached(1)
            let answer = story.call()
            await story.clock.sleepersReached(2)
            story.advance(by: .seconds(2) - .nanoseconds(1))
            link.happen(.unblocked)
            let id = try #require(try await story.broker.sent(1).first).callID
            // The absence is over, so the end of its patience ends nobody.
            story.advance(by: .nanoseconds(1))
            try await until { story.clock.sleepers == 1 }
            try link.deliver(reply(to: id, "here"))
            #expect(try await answer.value.text == "here")
        }
    }

    // The connection that comes next is not blocked.
    @Test func lostConnectionEndsTheBlock() async throws {
        try await BusStory.run { story in
            let link = try await story.broker.link(1)
            link.happen(.blocked(reason: "low on memory"))
            await story.clock.sleepersReached(1)
            let answer = story.call()
            link.breakDown()
            let sent = try #require(try await story.broker.sent(1).first)
            #expect(sent.link == 2)
            try await story.broker.link(2).deliver(reply(to: sent.callID, "here"))
            #expect(try await answer.value.text == "here")
        }
    }
}
