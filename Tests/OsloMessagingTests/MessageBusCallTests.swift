import TestSupport
import Testing

@testable import OsloMessaging

/// Calls and casts over a connection that stands.
@Suite(.timeLimit(.minutes(1))) struct MessageBusCallTests {
    @Test func callIsSentAndAnswered() async throws {
        try await BusStory.run { story in
            let answer = story.call("where", timeout: .seconds(10))
            let link = try await story.broker.link(1)
            let sent = try #require(try await story.broker.sent(1).first)
            #expect(sent.publication.exchange == "neutron")
            #expect(sent.publication.routingKey == "q-plugin")
            #expect(sent.publication.expiration == 10_000)
            let message = try #require(sent.message)
            #expect(
                message.keys == [
                    "method", "args", "version", "_msg_id", "_reply_q", "_timeout", "_unique_id", "_context_is_admin",
                ]
            )
            #expect(message["method"] == "get_ports")
            #expect(message["args"] == ["filters": "where"])
            #expect(message["_msg_id"]?.text == sent.callID.description)
            #expect(message["_reply_q"]?.text == link.replyQueue)
            #expect(link.replyQueue.wholeMatch(of: /reply_[0-9a-f]{32}/) != nil)
            let tag = try link.deliver(reply(to: sent.callID, "here"))
            #expect(try await answer.value.text == "here")
            #expect(link.acknowledged == [tag])
            // Its timer has ended with it.
            try await until { story.clock.sleepers == 0 }
        }
    }

    @Test func castEndsWithTheConfirmation() async throws {
        try await BusStory.run { story in
            #expect(await story.cast().value == nil)
            let sent = story.broker.sent
            #expect(sent.map(\.publication.routingKey) == ["q-reports-plugin"])
            // Reports outlive an absence of the server.
            #expect(sent.map(\.publication.expiration) == [nil])
            #expect(sent.first?.message?.keys == ["method", "args", "version", "_unique_id", "_context_is_admin"])
        }
    }

    @Test func confirmationOfSeveralEndsAllUpToIt() async throws {
        let broker = FakeBroker()
        broker.react { _ in [] }
        try await BusStory.run(broker) { story in
            let casts = [story.cast(), story.cast(), story.cast()]
            let sent = try await broker.sent(3)
            let link = try await broker.link(1)
            link.happen(.confirmed(tag: 2, multiple: true))
            try await until { story.clock.sleepers == 1 }
            link.happen(.confirmed(tag: 3, multiple: false))
            for cast in casts { #expect(await cast.value == nil) }
            #expect(sent.map(\.tag) == [1, 2, 3])
            #expect(broker.sent.count == 3)
        }
    }

    @Test func remoteFailureEndsTheCall() async throws {
        try await BusStory.run { story in
            let failures =
                [
                    (try failure("NoSuchMethod", module: "oslo_messaging.rpc.dispatcher", "no luck"), .noSuchMethod),
                    (try failure("DBConnectionError", module: "oslo_db.exception", "no luck"), .remoteFailure),
                ] as [(JSONValue, MessagingError.Code)]
            for (number, (failure, code)) in failures.enumerated() {
                let answer = story.call()
                let id = try #require(try await story.broker.sent(number + 1).last).callID
                try await story.broker.link(1).deliver(reply(to: id, .null, failure: failure))
                let outcome = await answer.value
                #expect(outcome.code == code)
                #expect(outcome.error?.message.contains("no luck") == true)
            }
        }
    }

    @Test func twoMessageReplyIsWaitedFor() async throws {
        try await BusStory.run { story in
            let answer = story.call()
            let id = try #require(try await story.broker.sent(1).first).callID
            let link = try await story.broker.link(1)
            // Juno's first message has no `ending` at all.
            try link.deliver(["result": "here", "failure": nil, "_msg_id": .string(id.description)])
            try await link.acknowledged(1)
            try link.deliver(reply(to: id, .null))
            #expect(try await answer.value.text == "here")
        }
    }

    @Test func callWithoutAReplyTimesOutAndALateReplyIsDropped() async throws {
        try await BusStory.run { story in
            let answer = story.call(timeout: .seconds(10))
            let sent = try #require(try await story.broker.sent(1).first)
            await story.clock.sleepersReached(1)
            story.advance(by: .seconds(10) - .nanoseconds(1))
            #expect(story.clock.sleepers == 1)
            story.advance(by: .nanoseconds(1))
            let error = await answer.value.error
            #expect(error?.code == .timeout)
            for part in ["q-plugin", "10 s", "get_ports", sent.callID.description, "neutron-server"] {
                #expect(error?.message.contains(part) == true, "\(part)")
            }
            let link = try await story.broker.link(1)
            try link.deliver(reply(to: sent.callID, "too late"))
            try await until { !story.lines("No calling threads waiting for msg_id : \(sent.callID)").isEmpty }
            #expect(link.acknowledged == [1])
            // Sent once: nobody asked for more.
            #expect(story.broker.sent.count == 1)
        }
    }

    @Test func castWithoutAConfirmationTimesOut() async throws {
        let broker = FakeBroker()
        broker.react { _ in [] }
        try await BusStory.run(broker) { story in
            let cast = story.cast(timeout: .seconds(30))
            _ = try await broker.sent(1)
            await story.clock.sleepersReached(1)
            story.advance(by: .seconds(30))
            #expect(await cast.value?.code == .timeout)
        }
    }

    // A server that dies takes the requests it has taken with it.
    @Test func callIsSentAgainAfterOnceTwiceAndFourTimesTheWait() async throws {
        try await BusStory.run { story in
            let answer = story.call(timeout: .seconds(10), resendAfter: .seconds(1))
            for (count, pause) in [1, 2, 4].enumerated() {
                _ = try await story.broker.sent(count + 1)
                await story.clock.sleepersReached(1)
                story.advance(by: .seconds(pause) - .nanoseconds(1))
                #expect(story.clock.sleepers == 1)
                #expect(story.broker.sent.count == count + 1)
                story.advance(by: .nanoseconds(1))
            }
            let sent = try await story.broker.sent(4)
            // The broker drops each when the next one is due, and the last when nobody waits any more.
            #expect(sent.map(\.publication.expiration) == [1_000, 2_000, 4_000, 3_000])
            #expect(Set(sent.map(\.callID)).count == 1)
            #expect(Set(sent.map { $0.message?["_unique_id"]?.text ?? "" }).count == 4)
            await story.clock.sleepersReached(1)
            story.advance(by: .seconds(3))
            #expect(await answer.value.code == .timeout)
            #expect(story.broker.sent.count == 4)
        }
    }

    @Test func firstOfTwoAnswersCounts() async throws {
        try await BusStory.run { story in
            let answer = story.call(timeout: .seconds(10), resendAfter: .seconds(1))
            _ = try await story.broker.sent(1)
            await story.clock.sleepersReached(1)
            story.advance(by: .seconds(1))
            let id = try #require(try await story.broker.sent(2).last).callID
            let link = try await story.broker.link(1)
            try link.deliver(reply(to: id, "first"))
            try link.deliver(reply(to: id, "second"))
            #expect(try await answer.value.text == "first")
            try await link.acknowledged(2)
        }
    }

    @Test func replyDeliveredTwiceCountsOnce() async throws {
        try await BusStory.run { story in
            let answer = story.call()
            let id = try #require(try await story.broker.sent(1).first).callID
            let link = try await story.broker.link(1)
            let half = reply(to: id, "here", isLast: false)
            try link.deliver(half)
            try link.deliver(half)
            try link.deliver(reply(to: id, .null))
            #expect(try await answer.value.text == "here")
            #expect(story.lines("Reply delivered twice, dropped").count == 1)
        }
    }

    @Test func topicWithoutAQueueIsKnownAtOnce() async throws {
        let broker = FakeBroker()
        broker.react { sent in
            [
                .success(.returned(messageID: sent.callID, reason: "NO_ROUTE")),
                .success(.confirmed(tag: sent.tag, multiple: false)),
            ]
        }
        try await BusStory.run(broker, { $0.virtualHost = "openstack" }) { story in
            let error = await story.call().value.error
            #expect(error?.code == .unroutable)
            for part in ["q-plugin", "exchange neutron", "openstack", "NO_ROUTE", "control_exchange"] {
                #expect(error?.message.contains(part) == true, "\(part)")
            }
            #expect(await story.cast().value?.code == .unroutable)
        }
    }

    @Test func moreCallsThanAllowedAreRefusedAtOnce() async throws {
        try await BusStory.run(FakeBroker(), { $0.messagesMax = 2 }) { story in
            let waiting = [story.call(), story.call()]
            let sent = try await story.broker.sent(2)
            #expect(await story.call().value.code == .overloaded)
            #expect(await story.cast().value?.code == .overloaded)
            let link = try await story.broker.link(1)
            for one in sent { try link.deliver(reply(to: one.callID, "here")) }
            for call in waiting { #expect(try await call.value.text == "here") }
            #expect(await story.cast().value == nil)
        }
    }

    @Test func callerWhoGivesUpIsFreeAtOnce() async throws {
        try await BusStory.run(FakeBroker(), { $0.messagesMax = 1 }) { story in
            let answer = story.call(resendAfter: .seconds(1))
            let id = try #require(try await story.broker.sent(1).first).callID
            await story.clock.sleepersReached(1)
            answer.cancel()
            #expect(await answer.value.code == .cancelled)
            try await until { story.clock.sleepers == 0 }
            // Its place is free, and its answer is nobody's.
            let next = story.call()
            let nextID = try #require(try await story.broker.sent(2).last).callID
            let link = try await story.broker.link(1)
            try link.deliver(reply(to: id, "nobody's"))
            try link.deliver(reply(to: nextID, "here"))
            #expect(try await next.value.text == "here")
        }
    }

    @Test func callOfACancelledTaskIsNotSent() async throws {
        try await BusStory.run { story in
            _ = try await story.broker.link(1)
            let answer = Task { () -> BusStory.Outcome in
                while !Task.isCancelled { await Task.yield() }
                do throws(MessagingError) {
                    return .success(
                        try await story.bus.call(
                            RemoteMethod("get_ports", arguments: [:]),
                            topic: "q-plugin",
                            context: [:],
                            timeout: .seconds(10),
                            resendAfter: nil,
                            isPatient: true
                        )
                    )
                } catch {
                    return .failure(error)
                }
            }
            answer.cancel()
            #expect(await answer.value.code == .cancelled)
            try await story.lookAround()
            #expect(story.broker.sent.isEmpty)
        }
    }

    @Test func unusableMessagesAreAcknowledgedAndDropped() async throws {
        try await BusStory.run(FakeBroker(), { $0.replyBytesMax = 1_000 }) { story in
            let answer = story.call()
            let id = try #require(try await story.broker.sent(1).first).callID
            let link = try await story.broker.link(1)
            // Larger than allowed, not JSON, of another envelope, compressed in another way, and random.
            link.deliver(body: nil)
            link.deliver(body: Array("<html>".utf8))
            link.deliver(body: try envelope(reply(to: id, "wrong"), version: "3.0"))
            link.deliver(body: try envelope(reply(to: id, "wrong")), compression: "application/x-bz2")
            var random = SplitMix64(seed: 42)
            for _ in 0..<96 {
                let count = Int.random(in: 0...60, using: &random)
                link.deliver(body: (0..<count).map { _ in .random(in: 0...255, using: &random) })
            }
            try link.deliver(reply(to: id, "here"))
            #expect(try await answer.value.text == "here")
            try await link.acknowledged(101)
            #expect(link.acknowledged == Array(1...101))
            #expect(story.lines("Reply larger than 1000 bytes, dropped").count == 1)
            #expect(story.lines("Reply dropped: ").count == 99)
        }
    }
}
