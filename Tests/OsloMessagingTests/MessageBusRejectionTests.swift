import TestSupport
import Testing

@testable import OsloMessaging

/// Messages that the broker cannot take, or does not confirm.
@Suite(.timeLimit(.minutes(1))) struct MessageBusRejectionTests {
    // Sent again at once it would come back at once, at the speed of the network and with a line each time.
    @Test func callThatTheBrokerCouldNotTakeWaitsForItsNextTurn() async throws {
        let broker = FakeBroker()
        broker.react { sent in
            [
                .success(
                    sent.tag <= 2
                        ? .rejected(tag: sent.tag, multiple: false) : .confirmed(tag: sent.tag, multiple: false)
                )
            ]
        }
        try await BusStory.run(broker) { story in
            let answer = story.call(timeout: .seconds(10), resendAfter: .seconds(1))
            for (count, pause) in [1, 2].enumerated() {
                _ = try await broker.sent(count + 1)
                try await until { story.lines("The broker could not take a message").count == 1 }
                await story.clock.sleepersReached(1)
                try await story.lookAround()
                #expect(broker.sent.count == count + 1)
                story.advance(by: .seconds(pause))
            }
            let sent = try #require(try await broker.sent(3).last)
            try await broker.link(1).deliver(reply(to: sent.callID, "here"))
            #expect(try await answer.value.text == "here")
            #expect(Set(broker.sent.map(\.callID)).count == 1)
        }
    }

    @Test func messageThatIsNotRepeatedEndsWithTheRejection() async throws {
        let broker = FakeBroker()
        broker.react { [.success(.rejected(tag: $0.tag, multiple: false))] }
        try await BusStory.run(broker) { story in
            for error in [await story.cast().value, await story.call(isPatient: true).value.error] {
                #expect(error?.code == .rejected)
                #expect(error?.message.contains("topic q-") == true)
            }
            #expect(broker.sent.count == 2)
        }
    }

    @Test func callThatTheBrokerNeverTookDoesNotBlameTheServer() async throws {
        let broker = FakeBroker()
        broker.react { [.success(.rejected(tag: $0.tag, multiple: false))] }
        try await BusStory.run(broker) { story in
            let answer = story.call(timeout: .seconds(2), resendAfter: .seconds(1))
            _ = try await broker.sent(1)
            await story.clock.sleepersReached(1)
            story.advance(by: .seconds(1))
            _ = try await broker.sent(2)
            try await story.lookAround()
            await story.clock.sleepersReached(1)
            story.advance(by: .seconds(1))
            #expect(await answer.value.code == .rejected)
        }
    }

    @Test func rejectionsAreToldOnceAMinuteWithTheirNumber() async throws {
        let broker = FakeBroker()
        broker.react { [.success(.rejected(tag: $0.tag, multiple: false))] }
        try await BusStory.run(broker) { story in
            for _ in 0..<5 { #expect(await story.cast().value?.code == .rejected) }
            #expect(story.lines("The broker could not take a message").count == 1)
            story.advance(by: .seconds(60))
            #expect(await story.cast().value?.code == .rejected)
            #expect(story.details("repeated", of: "The broker could not take a message") == ["0", "4"])
        }
    }

    @Test func rejectionOfSeveralConcernsAllUpToIt() async throws {
        let broker = FakeBroker()
        broker.react { _ in [] }
        try await BusStory.run(broker) { story in
            let casts = [story.cast(), story.cast(), story.cast()]
            let sent = try await broker.sent(3)
            let link = try await broker.link(1)
            link.happen(.rejected(tag: 2, multiple: true))
            link.happen(.confirmed(tag: 3, multiple: false))
            var codes: [MessagingError.Code?] = []
            for cast in casts { codes.append(await cast.value?.code) }
            #expect(codes.filter { $0 == .rejected }.count == 2)
            #expect(codes.filter { $0 == nil }.count == 1)
            #expect(sent.count == 3)
        }
    }

    // A broker that withholds its confirmations must not make the agent grow for ever.
    @Test func confirmationThatComesAfterTooManyOthersIsMissed() async throws {
        let broker = FakeBroker()
        broker.react { _ in [] }
        try await BusStory.run(broker, { $0.unconfirmedMax = 2 }) { story in
            var casts: [Task<MessagingError?, Never>] = []
            for count in 1...3 {
                casts.append(story.cast())
                _ = try await broker.sent(count)
            }
            let link = try await broker.link(1)
            for tag in 1...3 { link.happen(.confirmed(tag: UInt64(tag), multiple: false)) }
            for cast in casts.dropFirst() { #expect(await cast.value == nil) }
            // The first one has been forgotten, and ends by its time.
            await story.clock.sleepersReached(1)
            story.advance(by: .seconds(10))
            let error = await casts[0].value
            #expect(error?.code == .timeout)
            #expect(error?.message.contains("did not confirm") == true)
        }
    }
}
