import TestSupport
import Testing

@testable import OsloMessaging

@Suite struct MessageBookTests {
    private static func message(
        _ id: String,
        isCall: Bool = true,
        isPatient: Bool = false
    ) -> MessageBook.Message {
        MessageBook.Message(
            id: MessageID(id),
            topic: "q-plugin",
            method: RemoteMethod("get_ports", arguments: [:]),
            context: [:],
            isCall: isCall,
            isPatient: isPatient,
            useless: .seconds(10)
        )
    }

    private func book(_ messages: MessageBook.Message...) throws -> MessageBook {
        var book = MessageBook(messagesMax: 100)
        for message in messages { try book.add(message) }
        return book
    }

    /// The ids of all that is to be sent, in order; it then counts as sent.
    private func send(_ book: inout MessageBook) -> [String] {
        var ids: [String] = []
        while let message = book.next() { ids.append(message.id.description) }
        return ids
    }

    private func received(
        _ id: String,
        _ result: JSONValue,
        failure: JSONValue = .null,
        isLast: Bool = true,
        uniqueID: MessageID = MessageID()
    ) throws -> ReplyMessage {
        let message = reply(to: MessageID(id), result, failure: failure, isLast: isLast, uniqueID: uniqueID)
        return try ReplyMessage(body: envelope(message))
    }

    /// The text that a call ended with.
    private func text(_ receipt: MessageBook.Receipt) throws -> String? {
        guard case .ended(_, .done(let result)) = receipt else { return nil }
        return try result.decoded(as: String.self)
    }

    @Test func callEndsWithItsReplyAndACastWithItsConfirmation() throws {
        var book = try book(Self.message("call"), Self.message("cast", isCall: false))
        #expect(send(&book) == ["call", "cast"])
        #expect(book.confirmed(MessageID("call")) == nil)
        #expect(book.message(MessageID("call")) != nil)
        guard case .done(let nothing) = book.confirmed(MessageID("cast")) else {
            Issue.record("the cast goes on")
            return
        }
        #expect(try nothing.decoded(as: String.self) == nil)
        #expect(book.message(MessageID("cast")) == nil)
        #expect(book.confirmed(MessageID("cast")) == nil)
        #expect(try text(book.received(received("call", "here"))) == "here")
        #expect(book.message(MessageID("call")) == nil)
    }

    // Servers from Juno to Liberty: the result first, and then an empty message that ends the call.
    @Test func resultAndEndingMayComeInTwoMessages() throws {
        var book = try book(Self.message("m"))
        guard case .partial = book.received(try received("m", "here", isLast: false)) else {
            Issue.record("the call has ended too soon")
            return
        }
        #expect(try text(book.received(received("m", .null))) == "here")
    }

    @Test func lastResultOtherThanNullCounts() throws {
        var book = try book(Self.message("m"))
        for part in ["one", .null, "two", .null] as [JSONValue] {
            guard case .partial = book.received(try received("m", part, isLast: false)) else {
                Issue.record("the call has ended too soon")
                return
            }
        }
        #expect(try text(book.received(received("m", .null))) == "two")
    }

    @Test func nullIsAResult() throws {
        var book = try book(Self.message("m"))
        guard case .ended(let id, .done(let result)) = book.received(try received("m", .null)) else {
            Issue.record("no end")
            return
        }
        #expect(id == MessageID("m"))
        #expect(try result.decoded(as: [String].self) == nil)
    }

    @Test(arguments: [true, false])
    func failureEndsTheCallAtOnce(isLast: Bool) throws {
        var book = try book(Self.message("m"))
        let failure = try failure("NoSuchMethod", module: "oslo_messaging.rpc.dispatcher", "no get_ports")
        let first = book.received(try received("m", .null, failure: failure, isLast: isLast))
        guard case .ended(_, .failed(let error)) = first else {
            Issue.record("the call goes on")
            return
        }
        #expect(error.code == .noSuchMethod)
        #expect(error.message.contains("get_ports") && error.message.contains("q-plugin"))
        guard case .unknown = book.received(try received("m", .null)) else {
            Issue.record("the second message has found its call")
            return
        }
    }

    @Test func replyThatNobodyWaitsForIsUnknown() throws {
        var book = try book(Self.message("cast", isCall: false))
        for id in ["other", "cast"] {
            guard case .unknown(let named) = book.received(try received(id, "x")) else {
                Issue.record("\(id) has found a call")
                return
            }
            #expect(named == MessageID(id))
        }
        #expect(book.message(MessageID("cast")) != nil)
    }

    @Test func messageDeliveredTwiceIsDroppedAmongTheLastSixteen() throws {
        var book = try book(Self.message("m"))
        let names = (0..<17).map { _ in MessageID() }
        func isDuplicate(_ name: MessageID) throws -> Bool {
            if case .duplicate = book.received(try received("m", "x", isLast: false, uniqueID: name)) {
                true
            } else {
                false
            }
        }
        for name in names.prefix(16) { #expect(try !isDuplicate(name)) }
        for name in names.prefix(16) { #expect(try isDuplicate(name)) }
        // The seventeenth pushes out the first.
        #expect(try !isDuplicate(names[16]))
        #expect(try !isDuplicate(names[0]))
        #expect(try isDuplicate(names[16]))
    }

    @Test func replyWithoutANameOfItsOwnIsNeverADuplicate() throws {
        var book = try book(Self.message("m"))
        for _ in 0..<3 {
            let message: JSONValue = ["result": "x", "_msg_id": "m"]
            guard case .partial = book.received(try ReplyMessage(body: envelope(message))) else {
                Issue.record("dropped")
                return
            }
        }
    }

    @Test func whatWasSentGoesOutAgainFirstWhenTheConnectionIsLost() throws {
        var book = try book(Self.message("a"), Self.message("b"), Self.message("cast", isCall: false))
        #expect(send(&book) == ["a", "b", "cast"])
        try book.add(Self.message("c"))
        try book.add(Self.message("d"))
        book.connectionLost()
        // A second loss before anything is sent must not queue it twice.
        book.connectionLost()
        let order = send(&book)
        #expect(Set(order.prefix(3)) == ["a", "b", "cast"])
        #expect(order.dropFirst(3) == ["c", "d"])
        #expect(!book.hasQueued)
    }

    @Test func callIsQueuedOnceHoweverOftenItIsToBeSentAgain() throws {
        var book = try book(Self.message("a"), Self.message("b"))
        book.sendAgain(MessageID("a"), uselessAfter: .seconds(20))
        #expect(book.message(MessageID("a"))?.useless == .seconds(20))
        #expect(send(&book) == ["a", "b"])
        for _ in 0..<3 { book.sendAgain(MessageID("a"), uselessAfter: .seconds(30)) }
        book.connectionLost()
        #expect(send(&book).sorted() == ["a", "b"])
        book.sendAgain(MessageID("nobody"), uselessAfter: .zero)
        #expect(!book.hasQueued)
    }

    @Test func messageThatHasEndedIsNotSent() throws {
        var book = try book(Self.message("a"), Self.message("b"))
        #expect(book.remove(MessageID("a"))?.id == MessageID("a"))
        #expect(book.remove(MessageID("a")) == nil)
        #expect(send(&book) == ["b"])
        book.sendAgain(MessageID("b"), uselessAfter: .zero)
        #expect(book.remove(MessageID("b")) != nil)
        // While the bus is away nothing takes the queue, and it must not grow by what has ended.
        #expect(!book.hasQueued)
    }

    @Test func moreMessagesThanAllowedAreRefused() throws {
        var book = MessageBook(messagesMax: 2)
        try book.add(Self.message("a"))
        try book.add(Self.message("b"))
        _ = send(&book)
        let error = messagingError { () throws(MessagingError) in try book.add(Self.message("c")) }
        #expect(error?.code == .overloaded)
        #expect(error?.message.contains("2 messages") == true)
        #expect(!book.hasQueued)
        _ = book.remove(MessageID("a"))
        try book.add(Self.message("c"))
    }

    @Test func impatientMessagesEndTogether() throws {
        var book = try book(
            Self.message("a"),
            Self.message("report", isPatient: true),
            Self.message("cast", isCall: false, isPatient: true)
        )
        #expect(book.next()?.id == MessageID("a"))
        try book.add(Self.message("b"))
        #expect(book.hasImpatient)
        #expect(Set(book.removeImpatient().map(\.description)) == ["a", "b"])
        #expect(!book.hasImpatient)
        book.connectionLost()
        #expect(send(&book) == ["report", "cast"])
        #expect(Set(book.removeAll().map(\.description)) == ["report", "cast"])
        #expect(!book.hasQueued)
        #expect(book.removeAll().isEmpty)
    }

    /// Random lives of messages against a plain list of what must happen.
    @Test(arguments: 0..<20)
    func everyMessageIsSentUntilItEndsAndNoneTwiceOnOneConnection(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var book = MessageBook(messagesMax: 20)
        var living: Set<String> = []
        var sent: Set<String> = []
        for number in 0..<1_000 {
            let one = living.sorted().randomElement(using: &random)
            switch Int.random(in: 0..<8, using: &random) {
            case 0...2:
                let id = "m\(number)"
                if messagingError({ () throws(MessagingError) in try book.add(Self.message(id)) }) == nil {
                    living.insert(id)
                } else {
                    #expect(living.count == 20)
                }
            case 3:
                let unsent = living.subtracting(sent)
                let order = send(&book)
                #expect(Set(order) == unsent)
                #expect(order.count == unsent.count)
                sent = living
            case 4:
                book.connectionLost()
                sent = []
            case 5:
                guard let one else { continue }
                book.sendAgain(MessageID(one), uselessAfter: .seconds(1))
                sent.remove(one)
            default:
                guard let one else { continue }
                #expect(try text(book.received(received(one, .string(one)))) == one)
                living.remove(one)
                sent.remove(one)
            }
            #expect(book.hasQueued == !living.subtracting(sent).isEmpty)
        }
    }
}
