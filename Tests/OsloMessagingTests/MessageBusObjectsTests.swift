import Testing

@testable import OsloMessaging

/// What the broker has already: another exchange, another queue.
@Suite(.timeLimit(.minutes(1))) struct MessageBusObjectsTests {
    @Test func otherReplyQueueIsUsedFromThenOn() async throws {
        let broker = FakeBroker()
        broker.giveQueue("reply_other")
        try await BusStory.run(broker) { story in
            _ = story.call()
            let sent = try #require(try await broker.sent(1).first)
            #expect(sent.message?["_reply_q"] == "reply_other")
            try await broker.link(1).breakDown()
            _ = try await broker.link(2)
            #expect(broker.attempts.map(\.replyQueue).last == "reply_other")
            #expect(broker.attempts.first?.replyQueue != "reply_other")
            #expect(story.lines("The broker has another queue of that name, replies come to a new one").count == 1)
        }
    }

    // One kind of exchange is as good as another, but a server of old dies of one that it did not expect: after a
    // restart of the broker, the agent must not be the one to make it anew in its own way.
    @Test func kindOfTheExchangeIsTakenAsFoundAndTheDifferenceToldOnce() async throws {
        let broker = FakeBroker()
        let found = BrokerObjects.Exchange(isDurable: false, isAutoDeleted: false)
        broker.haveExchange(found)
        try await BusStory.run(broker, { $0.isExchangeDurable = true }) { story in
            let line = "The exchange neutron is not as amqp_durable_queues, rabbit_quorum_queue and amqp_auto_delete"
            for number in 1...3 {
                let link = try await broker.link(number)
                try await until { story.lines("Connected").count + story.lines("Reconnected").count == number }
                #expect(story.lines(line).count == 1)
                broker.haveExchange(nil)
                link.breakDown()
            }
            #expect(broker.attempts[0].wanted.exchange.isDurable)
            #expect(broker.attempts.dropFirst().allSatisfy { $0.wanted.exchange == found })
            #expect(story.details("durable", of: line) == ["false"])
        }
    }

    @Test func exchangeThatBecomesAsConfiguredIsNoDifference() async throws {
        let broker = FakeBroker()
        let durable = BrokerObjects.Exchange(isDurable: true, isAutoDeleted: false)
        broker.haveExchange(BrokerObjects.Exchange(isDurable: false, isAutoDeleted: false))
        try await BusStory.run(broker, { $0.isExchangeDurable = true }) { story in
            let link = try await broker.link(1)
            broker.haveExchange(durable)
            link.breakDown()
            try await broker.link(2).breakDown()
            _ = try await broker.link(3)
            #expect(broker.attempts[2].wanted.exchange == durable)
            #expect(story.lines("The exchange neutron is not").count == 1)
        }
    }

    @Test func queueWithAFixedNameIsKept() async throws {
        try await BusStory.run(FakeBroker(), { $0.replyQueue.fixedName = "reply_host:agent:1" }) { story in
            let link = try await story.broker.link(1)
            #expect(link.replyQueue == "reply_host:agent:1")
            await story.bus.shutdown()
            #expect(link.ending == .closed(deletesQueue: false))
        }
    }

    @Test func queueThatTookThePlaceOfTheFixedOneIsDeletedAtTheEnd() async throws {
        let broker = FakeBroker()
        broker.giveQueue("reply_fresh")
        try await BusStory.run(broker, { $0.replyQueue.fixedName = "reply_host:agent:1" }) { story in
            let link = try await broker.link(1)
            await story.bus.shutdown()
            #expect(link.ending == .closed(deletesQueue: true))
        }
    }
}
