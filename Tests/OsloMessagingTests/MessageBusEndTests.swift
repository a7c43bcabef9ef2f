import Logging
import TestSupport
import Testing

@testable import OsloMessaging

/// The bus's own end.
@Suite(.timeLimit(.minutes(1))) struct MessageBusEndTests {
    @Test func shutdownOfAnIdleBusDeletesItsQueue() async throws {
        try await BusStory.run { story in
            let link = try await story.broker.link(1)
            #expect(await story.cast().value == nil)
            await story.bus.shutdown()
            #expect(link.ending == .closed(deletesQueue: true))
            #expect(await story.call().value.code == .cancelled)
            #expect(await story.cast().value?.code == .cancelled)
        }
    }

    // A server that finds no queue for its reply tries for a minute, and meanwhile serves nobody else so well.
    @Test(arguments: [(1_800, false), (0, true)])
    func shutdownEndsEveryMessageAndLeavesTheQueueToItsReplies(lifetime: Int, deletesQueue: Bool) async throws {
        let broker = FakeBroker()
        broker.react { _ in [] }
        try await BusStory.run(broker, { $0.replyQueue.lifetimeSeconds = lifetime }) { story in
            let calls = [story.call(), story.call(isPatient: true)]
            let cast = story.cast()
            _ = try await broker.sent(3)
            await story.clock.sleepersReached(3)
            await story.bus.shutdown()
            for call in calls { #expect(await call.value.code == .cancelled) }
            #expect(await cast.value?.code == .cancelled)
            // A queue that would stay for ever is worse than a server that waits.
            #expect(try await broker.link(1).ending == .closed(deletesQueue: deletesQueue))
            try await until { story.clock.sleepers == 0 }
        }
    }

    @Test func brokerThatSaysNoGoodByeHoldsNobody() async throws {
        let broker = FakeBroker(farewell: try WakeUp())
        try await BusStory.run(broker) { story in
            let link = try await broker.link(1)
            let over = Task { await story.bus.shutdown() }
            await story.clock.sleepersReached(1)
            #expect(link.ending == nil)
            story.clock.advance(by: .seconds(1))
            await over.value
            #expect(link.ending == nil)
            broker.farewell?.signal()
            try await until { link.ending != nil }
        }
    }

    @Test func busWithoutABrokerSaysWhichOptionIsMissing() {
        let error = messagingError { () throws(MessagingError) in
            try MessageBus(
                settings: MessagingSettings(brokers: []),
                connector: FakeBroker(),
                clock: ManualClock(),
                logger: Logger(label: "test")
            )
        }
        #expect(error?.code == .misconfigured)
        #expect(error?.message.contains("transport_url") == true)
    }
}
