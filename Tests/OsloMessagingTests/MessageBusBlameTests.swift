import TestSupport
import Testing

@testable import OsloMessaging

/// Which of bus, broker and server an error names.
@Suite(.timeLimit(.minutes(1))) struct MessageBusBlameTests {
    private static let refusal = LinkError("ACCESS_REFUSED - Login was refused", .loginRefused)

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
}
