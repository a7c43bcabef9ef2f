import Logging
import Synchronization
import TestSupport
import Testing

@testable import OsloMessaging

/// Connections that fail, end, are blocked, and the bus's own end.
@Suite(.timeLimit(.minutes(1))) struct MessageBusConnectionTests {
    private static let refusal = LinkError("ACCESS_REFUSED - Login was refused", .loginRefused)

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

    // A state report that cannot get out says nothing about the server or its topics.
    @Test func castThatTheBusCouldNotSendEndsWithTheReasonOfTheBus() async throws {
        let broker = FakeBroker()
        broker.goDown(Self.refusal)
        try await BusStory.run(broker) { story in
            await story.clock.sleepersReached(1)
            let cast = story.cast(timeout: .seconds(30))
            await story.clock.sleepersReached(2)
            story.clock.advance(by: .seconds(30))
            let error = await cast.value
            #expect(error?.code == .refused)
            #expect(error?.message.contains("Login was refused") == true)
        }
    }

    @Test func refusedLoginIsAnErrorOfItsOwnWithoutThePassword() async throws {
        let broker = FakeBroker()
        broker.goDown(Self.refusal)
        let brokers = [MessagingSettings.Broker(host: "rabbit-1", user: "neutron", password: "s3cret")]
        try await BusStory.run(broker, { $0.brokers = brokers }) { story in
            await story.clock.sleepersReached(1)
            story.clock.advance(by: .seconds(2))
            let error = await story.call().value.error
            #expect(error?.code == .refused)
            #expect(error?.message.contains("rabbit-1:5672") == true)
            #expect(error?.message.contains("transport_url") == true)
            let lines = story.lines("AMQP server on rabbit-1:5672 closed the connection. Check login credentials")
            #expect(lines.first?.hasSuffix("ACCESS_REFUSED - Login was refused. Trying again in 1 seconds.") == true)
            #expect(!story.shows("s3cret"))
            #expect(error?.message.contains("s3cret") == false)
        }
    }

    // The server is to blame only if it had time enough.
    @Test(arguments: [(2, MessagingError.Code.timeout), (8, .unreachable)])
    func callThatTheBusHeldUpForTooLongIsNotTheServersFault(absence: Int, code: MessagingError.Code) async throws {
        let broker = FakeBroker()
        broker.goDown()
        try await BusStory.run(broker, { $0.brokers = [.init(host: "rabbit-1")] }) { story in
            await story.clock.sleepersReached(1)
            let call = story.call(timeout: .seconds(10), isPatient: true)
            await story.clock.sleepersReached(2)
            story.clock.advance(by: .seconds(absence))
            broker.recover()
            story.advance(by: .zero)
            _ = try await broker.sent(1)
            await story.clock.sleepersReached(1)
            story.clock.advance(by: .seconds(10 - absence))
            let error = await call.value.error
            #expect(error?.code == code)
            #expect(error?.message.contains("Connection refused") == (code == .unreachable))
        }
    }

    // The broker is there, and an operator who reads of an unreachable one would look at the network.
    @Test func brokerThatDeniesWhatIsNeededIsNotCalledUnreachable() async throws {
        let broker = FakeBroker()
        broker.goDown(LinkError("the queue reply_x cannot be declared: ACCESS_REFUSED", .denied))
        try await BusStory.run(broker) { story in
            await story.clock.sleepersReached(1)
            story.clock.advance(by: .seconds(2))
            let error = await story.call().value.error
            #expect(error?.code == .refused)
            #expect(error?.message.contains("the queue reply_x cannot be declared: ACCESS_REFUSED") == true)
            #expect(error?.message.contains("permissions") == true)
            #expect(!story.shows("is unreachable"))
            #expect(story.lines("AMQP server on rabbit-").first?.contains("denies what the agent needs") == true)
        }
    }

    // A name server or a broker that hangs: nobody has said anything about the Neutron server yet.
    @Test func messageThatNoConnectionWasMadeForIsNotTheServersFault() async throws {
        let broker = FakeBroker(gate: try WakeUp())
        try await BusStory.run(broker) { story in
            let call = story.call(timeout: .seconds(5), isPatient: true)
            await story.clock.sleepersReached(1)
            story.clock.advance(by: .seconds(5))
            let error = await call.value.error
            #expect(error?.code == .unreachable)
            #expect(error?.message.contains("neutron-server") == false)
            broker.open()
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

    // MARK: Blocked

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

    // MARK: The end

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

    // MARK: All together

    /// A broker that loses connections, refuses messages and delivers twice, at random.
    @Test(arguments: 0..<5)
    func everyCallGetsItsOwnAnswerWhateverTheBrokerDoes(seed: UInt64) async throws {
        let random = Mutex(SplitMix64(seed: seed))
        let broker = FakeBroker()
        broker.react { sent in
            let confirmed = FakeBroker.Happening.success(.confirmed(tag: sent.tag, multiple: false))
            guard let message = sent.message, let argument = message["args"]?["filters"],
                let body = try? envelope(reply(to: sent.callID, argument))
            else { return [.failure(LinkError("not a request"))] }
            let answer = FakeBroker.Happening.success(.delivered(tag: sent.tag, body: body))
            switch random.withLock({ Int.random(in: 0..<12, using: &$0) }) {
            case 0: return [.failure(LinkError("lost"))]
            case 1: return [confirmed, .failure(LinkError("lost"))]
            case 2: return [.success(.rejected(tag: sent.tag, multiple: false))]
            case 3: return [answer, answer, confirmed]
            case 4: return [answer, .failure(LinkError("lost"))]
            default: return [confirmed, answer]
            }
        }
        try await BusStory.run(broker) { story in
            let calls = (0..<200).map { number in
                let call = story.call(
                    .string("call \(number)"),
                    timeout: .seconds(10_000),
                    resendAfter: .seconds(1),
                    isPatient: true
                )
                return (number, call)
            }
            // When all is quiet, those are left that the broker could not take, and their turn comes with the time.
            let time = Task {
                while !Task.isCancelled {
                    let count = broker.sent.count
                    try await Task.sleep(for: .milliseconds(5))
                    if broker.sent.count == count { story.advance(by: .seconds(1)) }
                }
            }
            defer { time.cancel() }
            for (number, call) in calls {
                let text = try await call.value.text
                #expect(text == "call \(number)")
            }
            #expect(broker.links.dropLast().allSatisfy { $0.ending == .abandoned })
        }
    }
}
