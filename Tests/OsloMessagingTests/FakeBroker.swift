import Glibc
import Synchronization

@testable import OsloMessaging

/// A broker that a test plays: it notes what the bus does, and does what the test says.
final class FakeBroker: BrokerConnector {
    struct Attempt: Sendable, Equatable {
        var broker: MessagingSettings.Broker
        var wanted: BrokerObjects

        var replyQueue: String { wanted.replyQueue }
    }

    /// One message as it was sent, and on which connection.
    struct Sent: Sendable {
        var link: Int
        var tag: UInt64
        var publication: Publication

        /// Without its envelope; nil if that is not as it must be.
        var message: JSONValue? { try? innerMessage(publication.body) }

        var callID: MessageID { publication.messageID }
    }

    typealias Happening = Result<LinkEvent, LinkError>
    typealias Reaction = @Sendable (Sent) -> [Happening]

    private struct State {
        var failures: [LinkError] = []
        var standingFailure: LinkError?
        var otherQueue: String?
        var exchange: BrokerObjects.Exchange?
        var reaction: Reaction = { [.success(.confirmed(tag: $0.tag, multiple: false))] }
        var attempts: [Attempt] = []
        var links: [FakeLink] = []
        var sent: [Sent] = []
    }

    private let state = Mutex(State())
    /// What the next links wait for before their good-bye ends; nil lets it end at once.
    let farewell: WakeUp?
    /// What connections wait for before anything comes of them.
    private let gate: WakeUp?

    init(farewell: WakeUp? = nil, gate: WakeUp? = nil) {
        self.farewell = farewell
        self.gate = gate
    }

    // MARK: The script

    /// The next connections fail like this, one each.
    func fail(_ failures: LinkError...) {
        state.withLock { $0.failures = failures }
    }

    /// All connections fail like this until `recover()`.
    func goDown(_ failure: LinkError = LinkError("Connection refused")) {
        state.withLock { $0.standingFailure = failure }
    }

    func recover() {
        state.withLock { $0.standingFailure = nil }
    }

    /// Lets the connection through that waits at the gate.
    func open() {
        gate?.signal()
    }

    /// The next connection cannot have the queue it wants.
    func giveQueue(_ name: String) {
        state.withLock { $0.otherQueue = name }
    }

    /// Whoever comes first has declared the exchange of that kind; nil if nobody has.
    func haveExchange(_ kind: BrokerObjects.Exchange?) {
        state.withLock { $0.exchange = kind }
    }

    /// What happens after each message from now on. Otherwise it is confirmed.
    func react(_ reaction: @escaping Reaction) {
        state.withLock { $0.reaction = reaction }
    }

    // MARK: What the bus did

    var attempts: [Attempt] { state.withLock { $0.attempts } }
    var sent: [Sent] { state.withLock { $0.sent } }
    var links: [FakeLink] { state.withLock { $0.links } }

    /// Everything sent so far, once that is `count` messages.
    func sent(_ count: Int) async throws -> [Sent] {
        try await until { sent.count >= count }
        return sent
    }

    /// The connection of that number, counted from 1.
    func link(_ number: Int) async throws -> FakeLink {
        try await until { links.count >= number }
        return links[number - 1]
    }

    // MARK: The bus's side

    func connect(
        to broker: MessagingSettings.Broker,
        wanting wanted: BrokerObjects
    ) throws(LinkError) -> any BrokerLink {
        gate?.wait(atMost: .seconds(60))
        let arrived: WakeUp
        do {
            arrived = try WakeUp()
        } catch {
            throw LinkError(error.message)
        }
        let result = state.withLock { state -> Result<FakeLink, LinkError> in
            state.attempts.append(Attempt(broker: broker, wanted: wanted))
            if !state.failures.isEmpty { return .failure(state.failures.removeFirst()) }
            if let failure = state.standingFailure { return .failure(failure) }
            let objects = BrokerObjects(
                replyQueue: state.otherQueue ?? wanted.replyQueue,
                exchange: state.exchange ?? wanted.exchange
            )
            state.otherQueue = nil
            let link = FakeLink(self, number: state.links.count + 1, objects, arrived)
            state.links.append(link)
            return .success(link)
        }
        return try result.get()
    }

    fileprivate func note(_ sent: Sent) -> [Happening] {
        let reaction = state.withLock { state in
            state.sent.append(sent)
            return state.reaction
        }
        return reaction(sent)
    }
}

/// One connection to a `FakeBroker`.
final class FakeLink: BrokerLink, Sendable {
    enum Ending: Equatable {
        case closed(deletesQueue: Bool)
        case abandoned
    }

    private struct State {
        var published: UInt64 = 0
        var delivered: UInt64 = 0
        var happenings: [FakeBroker.Happening] = []
        var acknowledged: [UInt64] = []
        var ending: Ending?
    }

    let number: Int
    let objects: BrokerObjects
    // The broker keeps its links; both live as long as the test.
    private unowned let broker: FakeBroker
    private let arrived: WakeUp
    private let state = Mutex(State())

    fileprivate init(_ broker: FakeBroker, number: Int, _ objects: BrokerObjects, _ arrived: WakeUp) {
        self.broker = broker
        self.number = number
        self.objects = objects
        self.arrived = arrived
    }

    // MARK: The script

    func happen(_ event: LinkEvent) {
        add([.success(event)])
    }

    /// The connection ends as the bus looks at it next.
    func breakDown(_ text: String = "Connection reset by peer") {
        add([.failure(LinkError(text))])
    }

    /// A message for the bus, in an envelope. Returns its delivery tag.
    @discardableResult
    func deliver(_ message: JSONValue) throws -> UInt64 {
        deliver(body: try envelope(message))
    }

    @discardableResult
    func deliver(body: [UInt8]?, compression: String? = nil) -> UInt64 {
        let tag = state.withLock { state in
            state.delivered += 1
            return state.delivered
        }
        happen(.delivered(tag: tag, body: body, compression: compression))
        return tag
    }

    // MARK: What the bus did

    var replyQueue: String { objects.replyQueue }
    var acknowledged: [UInt64] { state.withLock { $0.acknowledged } }
    var ending: Ending? { state.withLock { $0.ending } }

    func acknowledged(_ count: Int) async throws {
        try await until { acknowledged.count >= count }
    }

    // MARK: The bus's side

    func publish(_ publication: Publication) throws(LinkError) -> UInt64 {
        let tag = state.withLock { state in
            state.published += 1
            return state.published
        }
        add(broker.note(FakeBroker.Sent(link: number, tag: tag, publication: publication)))
        return tag
    }

    func acknowledge(_ deliveryTag: UInt64) throws(LinkError) {
        state.withLock { $0.acknowledged.append(deliveryTag) }
    }

    func nextEvent() throws(LinkError) -> LinkEvent? {
        let next = state.withLock { $0.happenings.isEmpty ? nil : $0.happenings.removeFirst() }
        return try next?.get()
    }

    func wait(orUntilReadable wakeUp: CInt, atMost time: Duration) {
        var entries = [wakeUp, arrived.descriptor].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        _ = poll(&entries, 2, time.pollMilliseconds)
        arrived.reset()
    }

    func close(deletesQueue: Bool) {
        broker.farewell?.wait(atMost: .seconds(60))
        end(.closed(deletesQueue: deletesQueue))
    }

    func abandon() {
        end(.abandoned)
    }

    private func end(_ ending: Ending) {
        state.withLock { state in
            // A connection ends once.
            precondition(state.ending == nil)
            state.ending = ending
        }
    }

    private func add(_ happenings: [FakeBroker.Happening]) {
        state.withLock { $0.happenings += happenings }
        arrived.signal()
    }
}

/// Returns once `isTrue`. What the bus's own thread does cannot be awaited, so it is looked at every millisecond until
/// the test's time limit.
func until(_ isTrue: () -> Bool) async throws {
    while !isTrue() { try await Task.sleep(for: .milliseconds(1)) }
}
