import InMemoryLogging
import Logging
import TestSupport

@testable import OsloMessaging

/// A running bus with a played broker and a clock that the test moves.
struct BusStory: Sendable {
    typealias Outcome = Result<RemoteResult, MessagingError>

    let bus: MessageBus
    let broker: FakeBroker
    let clock: ManualClock
    let log: InMemoryLogHandler

    /// Two brokers, and no pause after the first loss, unless `change` says otherwise. The bus is shut down at the end.
    static func run(
        _ broker: FakeBroker = FakeBroker(),
        _ change: (inout MessagingSettings) -> Void = { _ in },
        _ body: (BusStory) async throws -> Void
    ) async throws {
        var settings = MessagingSettings(brokers: [.init(host: "rabbit-1"), .init(host: "rabbit-2")])
        settings.retry.delay = .zero
        change(&settings)
        var log = InMemoryLogHandler()
        log.logLevel = .debug
        let handler = log
        let clock = ManualClock()
        let bus = try MessageBus(
            settings: settings,
            connector: broker,
            clock: clock,
            logger: Logger(label: "test") { _ in handler }
        )
        try bus.start()
        do {
            try await body(BusStory(bus: bus, broker: broker, clock: clock, log: log))
        } catch {
            await bus.shutdown()
            throw error
        }
        await bus.shutdown()
    }

    /// Starts a call of `get_ports`. `argument` becomes its only one.
    func call(
        _ argument: JSONValue = "a",
        timeout: Duration = .seconds(10),
        resendAfter: Duration? = nil,
        isPatient: Bool = false
    ) -> Task<Outcome, Never> {
        Task { [bus] in
            do throws(MessagingError) {
                return .success(
                    try await bus.call(
                        RemoteMethod("get_ports", arguments: ["filters": argument]),
                        topic: "q-plugin",
                        context: ["is_admin": true],
                        timeout: timeout,
                        resendAfter: resendAfter,
                        isPatient: isPatient
                    )
                )
            } catch {
                return .failure(error)
            }
        }
    }

    /// Starts a cast of `report_state`.
    func cast(timeout: Duration = .seconds(10)) -> Task<MessagingError?, Never> {
        Task { [bus] in
            do throws(MessagingError) {
                try await bus.cast(
                    RemoteMethod("report_state", arguments: [:]),
                    topic: "q-reports-plugin",
                    context: ["is_admin": true],
                    timeout: timeout
                )
                return nil
            } catch {
                return error
            }
        }
    }

    /// Moves the clock, and makes the bus's thread look at it.
    func advance(by time: Duration) {
        clock.advance(by: time)
        bus.wakeUp.signal()
    }

    /// Gives the bus's thread the time to do what it must not do.
    func lookAround() async throws {
        for _ in 0..<20 {
            bus.wakeUp.signal()
            try await Task.sleep(for: .milliseconds(1))
        }
    }

    /// Whether any log line has `text` anywhere.
    func shows(_ text: String) -> Bool { log.entries.contains { "\($0)".contains(text) } }

    /// The value of `key` in each log line that begins like this.
    func details(_ key: String, of beginning: String) -> [String] {
        log.entries.filter { $0.message.description.hasPrefix(beginning) }.map { "\($0.metadata[key] ?? "")" }
    }

    /// The messages of log lines that begin like this.
    func lines(_ beginning: String) -> [String] {
        log.entries.map(\.message.description).filter { $0.hasPrefix(beginning) }
    }
}

extension BusStory.Outcome {
    var code: MessagingError.Code? { error?.code }

    var error: MessagingError? {
        if case .failure(let error) = self { error } else { nil }
    }

    /// The result as text; nil for null and after an error.
    var text: String? {
        get throws { try get().decoded(as: String.self) }
    }
}
