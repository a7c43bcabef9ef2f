import Testing

@testable import OsloMessaging

/// What can be told of the RabbitMQ side without a broker.
@Suite struct RabbitPartsTests {
    @Test(
        arguments: [
            // The broker's offer, our timeout, and what is agreed: half of ours, so that it is dead after all of it.
            (60, .seconds(60), 30), (20, .seconds(60), 20), (0, .seconds(60), 30), (60, .seconds(15), 7),
            (60, .seconds(1), 1), (60, .milliseconds(500), 1), (0, .seconds(1), 1),
            // Off is off, whatever the broker would like.
            (60, .zero, 0), (0, .zero, 0),
        ] as [(Int, Duration, Int)]
    )
    func heartbeatIsTheSmallerWishUnlessItIsOff(offered: Int, timeout: Duration, agreed: Int) {
        #expect(RabbitLogin.heartbeat(offered: offered, timeout) == agreed)
    }

    @Test(
        arguments: [
            // The specification asks for one every 20 s at the latest, and the silence of a minute to be noticed.
            (.seconds(60), 3, .seconds(20)), (.seconds(60), 2, .seconds(30)), (.seconds(3), 3, .seconds(1)),
            (.seconds(1), 1_000, .milliseconds(250)), (.seconds(60), 0, .seconds(60)), (.zero, 3, .zero),
        ] as [(Duration, Int, Duration)]
    )
    func heartbeatsAreSentAsOftenAsTheRateSays(timeout: Duration, rate: Int, interval: Duration) {
        var settings = MessagingSettings(brokers: [])
        settings.heartbeatTimeout = timeout
        settings.heartbeatRate = rate
        #expect(settings.heartbeatInterval == interval)
    }

    @Test func heartbeatIsDueAfterItsIntervalAndTheWaitEndsThen() {
        let start = ContinuousClock.now
        var schedule = HeartbeatSchedule(interval: .seconds(20), from: start)
        #expect(!schedule.isDue(at: start + .milliseconds(19_999)))
        #expect(schedule.isDue(at: start + .seconds(20)))
        #expect(schedule.limit(.seconds(5), at: start) == .seconds(5))
        #expect(schedule.limit(.seconds(5), at: start + .seconds(18)) == .seconds(2))
        #expect(schedule.limit(.seconds(5), at: start + .seconds(30)) == .zero)
        schedule.sent(at: start + .seconds(21))
        #expect(!schedule.isDue(at: start + .seconds(40)))
        #expect(schedule.limit(.seconds(60), at: start + .seconds(40)) == .seconds(1))
        let none = HeartbeatSchedule(interval: .zero, from: start)
        #expect(!none.isDue(at: start + .seconds(1_000)))
        #expect(none.limit(.seconds(5), at: start + .seconds(1_000)) == .seconds(5))
    }

    @Test func confirmationsAreFoundByNumberUntilThereAreTooMany() {
        var unconfirmed = UnconfirmedMessages(countMax: 3)
        let ids = (0...5).map { MessageID("m\($0)") }
        for tag in 1...3 { unconfirmed.add(ids[tag], tag: UInt64(tag)) }
        #expect(unconfirmed.take(2, andAllBefore: false) == [ids[2]])
        #expect(unconfirmed.take(2, andAllBefore: false) == [])
        for tag in 4...5 { unconfirmed.add(ids[tag], tag: UInt64(tag)) }
        // The first gave way to the fifth.
        #expect(unconfirmed.take(4, andAllBefore: true) == [ids[3], ids[4]])
        #expect(unconfirmed.take(.max, andAllBefore: true) == [ids[5]])
        for tag in 10..<10_000 { unconfirmed.add(ids[0], tag: UInt64(tag)) }
        #expect(unconfirmed.count == 3)
    }

    @Test func everyKindOfExchangeIsTriedOnceBeginningWithItsOtherDurability() {
        typealias Exchange = BrokerObjects.Exchange
        for (durable, automatic) in [(true, true), (true, false), (false, true), (false, false)] {
            let kinds = Exchange(isDurable: durable, isAutoDeleted: automatic).alternatives
            #expect(kinds[0] == Exchange(isDurable: durable, isAutoDeleted: automatic))
            #expect(kinds[1] == Exchange(isDurable: !durable, isAutoDeleted: automatic))
            #expect(kinds.count == 4)
            for (index, kind) in kinds.enumerated() { #expect(!kinds[..<index].contains(kind)) }
        }
    }

    private func arguments(_ change: (inout MessagingSettings.ReplyQueue) -> Void) -> [String] {
        var queue = MessagingSettings.ReplyQueue()
        change(&queue)
        return queue.arguments.map { name, field in
            switch field {
            case .integer(let number): "\(name)=\(number)"
            case .string(let text): "\(name)=\(text)"
            case .boolean, .table: "\(name)=?"
            }
        }
    }

    @Test func queueArgumentsAreThoseOfTheReferenceInItsOrder() {
        #expect(arguments { _ in } == ["x-expires=1800000"])
        #expect(arguments { $0.lifetimeSeconds = 0 } == [])
        #expect(arguments { $0.lifetimeSeconds = 600 } == ["x-expires=600000"])
        #expect(arguments { $0.isQuorum = true } == ["x-queue-type=quorum", "x-expires=1800000"])
        #expect(arguments { $0.isMirrored = true } == ["x-ha-policy=all", "x-expires=1800000"])
        let all = arguments {
            $0.isQuorum = true
            $0.deliveryLimit = 3
            $0.memoryMessagesMax = 100
            $0.memoryBytesMax = 1_000
        }
        #expect(
            all == [
                "x-queue-type=quorum", "x-delivery-limit=3", "x-max-in-memory-length=100",
                "x-max-in-memory-bytes=1000", "x-expires=1800000",
            ]
        )
        // They belong to quorum queues.
        #expect(arguments { $0.deliveryLimit = 3 } == ["x-expires=1800000"])
    }

    /// RabbitMQ takes no longer life than fits into 32 bits of milliseconds.
    @Test(arguments: [4_294_967, 4_294_968, Int.max])
    func longestLifeOfAQueue(seconds: Int) {
        #expect(arguments { $0.lifetimeSeconds = seconds } == ["x-expires=4294967000"])
    }

    @Test func messageIsPutTogetherFromItsFrames() {
        var message = ArrivingMessage(.delivery(tag: 7), bytesMax: 10)
        #expect(!message.isComplete)
        message.begin(size: 5, messageID: "", compression: "application/x-gzip")
        message.append([1, 2])
        #expect(!message.isComplete)
        message.append([3, 4, 5])
        #expect(message.isComplete)
        #expect(message.event == .delivered(tag: 7, body: [1, 2, 3, 4, 5], compression: "application/x-gzip"))
    }

    @Test func emptyMessageIsCompleteWithItsHeader() {
        var message = ArrivingMessage(.delivery(tag: 1), bytesMax: 10)
        message.begin(size: 0, messageID: "")
        #expect(message.isComplete)
        #expect(message.event == .delivered(tag: 1, body: [], compression: nil))
    }

    @Test(arguments: [10, 11, 1_000] as [UInt64])
    func messageAboveTheLimitIsCountedAndNotKept(size: UInt64) {
        var message = ArrivingMessage(.delivery(tag: 1), bytesMax: 10)
        message.begin(size: size, messageID: "")
        var left = size
        while left > 0 {
            #expect(!message.isComplete)
            let part = min(left, 7)
            message.append([UInt8](repeating: 1, count: Int(part)))
            left -= part
        }
        #expect(message.isComplete)
        let body: [UInt8]? = size > 10 ? nil : [UInt8](repeating: 1, count: 10)
        #expect(message.event == .delivered(tag: 1, body: body, compression: nil))
    }

    @Test func largestPossibleSizeIsNotReserved() {
        var message = ArrivingMessage(.delivery(tag: 1), bytesMax: 10)
        message.begin(size: .max, messageID: "")
        message.append([1])
        #expect(!message.isComplete)
    }

    @Test func returnedMessageIsKnownByItsID() {
        var message = ArrivingMessage(.returned(reason: "NO_ROUTE"), bytesMax: 0)
        message.begin(size: 3, messageID: "m1")
        message.append([1, 2, 3])
        #expect(message.isComplete)
        #expect(message.event == .returned(messageID: MessageID("m1"), reason: "NO_ROUTE"))
    }

    @Test(
        arguments: [
            (.zero, 0), (.seconds(-5), 0), (.nanoseconds(1), 1), (.milliseconds(1), 1), (.microseconds(1_001), 2),
            (.seconds(30), 30_000), (.seconds(2_147_482), 2_147_482_000), (.seconds(2_147_483), CInt.max),
            // Options have no upper bound; a negative number would wait for ever, or stop the process.
            (.seconds(9_223_372_036_854_775), CInt.max), (.seconds(Int64.max), CInt.max),
            (.seconds(Int64.max) + .milliseconds(999), CInt.max),
        ] as [(Duration, CInt)]
    )
    func timesForPollAreRoundedUpAndBounded(time: Duration, milliseconds: CInt) {
        #expect(time.pollMilliseconds == milliseconds)
    }

    @Test func signalIsTakenBackOnce() throws {
        let wakeUp = try WakeUp()
        wakeUp.signal()
        wakeUp.signal()
        // Returns at once, or the suite would take an hour.
        wakeUp.wait(atMost: .seconds(3_600))
        let start = ContinuousClock.now
        wakeUp.wait(atMost: .milliseconds(20))
        #expect(ContinuousClock.now - start >= .milliseconds(15))
    }

    @Test(arguments: [
        ("rabbit-1", "rabbit-1:5672"), ("192.0.2.1", "192.0.2.1:5672"), ("2001:db8::1", "[2001:db8::1]:5672"),
    ])
    func brokersAddressForLogLines(host: String, address: String) {
        #expect(MessagingSettings.Broker(host: host).address == address)
    }
}
