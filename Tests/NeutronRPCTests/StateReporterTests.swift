import Foundation
import InMemoryLogging
import Logging
import OsloMessaging
import TestSupport
import Testing

@testable import NeutronRPC

@Suite struct AgentReportTests {
    private let report = AgentReport(
        host: "compute-17",
        socketPath: "/var/lib/neutron/metadata_proxy",
        novaHost: "nova.example.org",
        novaPort: 8_775,
        logsHeartbeats: true
    )

    @Test func firstReportHasExactlyTheReferencesFields() throws {
        let method = report.method(isFirst: true, at: Date(timeIntervalSince1970: 1_790_000_000.5))
        #expect(method.name == "report_state")
        #expect(method.version == "1.0")
        // Nested twice, as the server unpacks it.
        #expect(Set(method.arguments.keys) == ["agent_state", "time"])
        #expect(method.arguments["agent_state"]?.keys == ["agent_state"])
        #expect(method.arguments["time"] == "2026-09-21T14:13:20.500000")
        let state = try #require(method.arguments["agent_state"]?["agent_state"])
        let uuid = try #require(state["uuid"]?.text)
        #expect(uuid.wholeMatch(of: /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/) != nil)
        #expect(
            state == [
                "binary": "neutron-metadata-agent", "host": "compute-17", "topic": "N/A",
                "agent_type": "Metadata agent", "start_flag": true, "uuid": .string(uuid),
                "configurations": [
                    "metadata_proxy_socket": "/var/lib/neutron/metadata_proxy",
                    "nova_metadata_ip": "nova.example.org", "nova_metadata_host": "nova.example.org",
                    "nova_metadata_port": 8775, "log_agent_heartbeats": true,
                ],
            ]
        )
    }

    @Test func laterReportsHaveNoStartAndANameOfTheirOwn() throws {
        let states = (0..<20).compactMap { _ in
            report.method(isFirst: false, at: Date()).arguments["agent_state"]?["agent_state"]
        }
        #expect(states.allSatisfy { $0["start_flag"] == nil })
        #expect(Set(states.compactMap { $0["uuid"]?.text }).count == 20)
    }
}

@Suite(.timeLimit(.minutes(1))) struct StateReporterTests {
    private static let failed = "error: Failed reporting state!"
    private static let mended = "info: Successfully reported state after a previous failure."
    private static let begun = "info: Reporting state to the Neutron server"

    private let clock = ManualClock()
    private let log = InMemoryLogHandler()

    private func reporter(_ client: FakeClient, _ topic: StateReporter.Topic = .automatic) -> StateReporter {
        StateReporter(
            client: client,
            report: AgentReport(host: "h", socketPath: "/s", novaHost: "n", novaPort: 1, logsHeartbeats: false),
            topic: topic,
            interval: .seconds(30),
            clock: clock,
            logger: log.logger
        )
    }

    /// Reports while `body` runs.
    private func reporting(
        _ client: FakeClient,
        _ topic: StateReporter.Topic = .automatic,
        _ body: () async throws -> Void
    ) async throws {
        let reporter = reporter(client, topic)
        let task = Task { await reporter.reportForEver() }
        do {
            try await body()
        } catch {
            task.cancel()
            throw error
        }
        task.cancel()
        await task.value
    }

    /// Waits until the reporter does, and lets `time` pass.
    private func wait(_ time: Duration = .seconds(30)) async {
        await clock.sleepersReached(1)
        clock.advance(by: time)
    }

    private func reached(_ count: Int, _ client: FakeClient) async throws {
        while client.asked.count < count {
            try Task.checkCancellation()
            await Task.yield()
        }
    }

    @Test func firstReportIsACallAndTheOthersAreCasts() async throws {
        let client = FakeClient(.success("new"))
        try await reporting(client) {
            for _ in 0..<3 { await wait() }
            await clock.sleepersReached(1)
        }
        #expect(client.asked.map(\.isCall) == [true, false, false, false])
        #expect(client.asked.map { $0.agentState?["start_flag"] } == [true, nil, nil, nil])
        #expect(client.asked.allSatisfy { $0.topic == "q-reports-plugin" && $0.method.name == "report_state" })
        #expect(client.asked.allSatisfy { $0.timeout == .seconds(30) && $0.isPatient && $0.resendAfter == nil })
        #expect(client.asked.allSatisfy { $0.context["is_admin"] == true })
        #expect(log.lines == [Self.begun])
    }

    @Test func firstReportIsRepeatedAsACallUntilOneSucceeds() async throws {
        let client = FakeClient(.failing(.unreachable), .failing(.remoteFailure), .success(.null))
        try await reporting(client) {
            for _ in 0..<3 { await wait() }
            await clock.sleepersReached(1)
        }
        #expect(client.asked.map(\.isCall) == [true, true, true, false])
        #expect(client.asked.map { $0.agentState?["start_flag"] } == [true, true, true, nil])
        #expect(log.lines == [Self.failed, Self.failed, Self.mended])
        #expect(log.entries.first?.metadata["reason"] == "The bus says unreachable. (unreachable)")
    }

    @Test func lostReportIsToldAndTheNextOneIsACastAgain() async throws {
        let client = FakeClient(.success("new"), .failing(.timeout), .failing(.unroutable), .success(.null))
        try await reporting(client) {
            for _ in 0..<4 { await wait() }
            await clock.sleepersReached(1)
        }
        #expect(client.asked.map(\.isCall) == [true, false, false, false, false])
        #expect(log.lines == [Self.begun, Self.failed, Self.failed, Self.mended])
        // Only the first report looks for a topic.
        #expect(client.asked.allSatisfy { $0.topic == "q-reports-plugin" })
    }

    // Havana to Liberty: nobody listens on q-reports-plugin.
    @Test func topicWithoutAListenerGivesWayAtOnceAndForGood() async throws {
        let client = FakeClient { asked, _ in
            asked.topic == "q-plugin" ? .success("new") : .failing(.unroutable)
        }
        try await reporting(client) {
            for _ in 0..<2 { await wait() }
            await clock.sleepersReached(1)
        }
        #expect(client.asked.map(\.topic) == ["q-reports-plugin", "q-plugin", "q-plugin", "q-plugin"])
        #expect(client.asked.map(\.isCall) == [true, true, false, false])
        #expect(log.lines == [Self.begun])
    }

    @Test func bothTopicsAreTriedEachTimeWhileNobodyListens() async throws {
        let client = FakeClient(.failing(.unroutable))
        try await reporting(client) {
            await wait()
            await clock.sleepersReached(1)
        }
        #expect(Set(client.asked.prefix(2).map(\.topic)) == ["q-reports-plugin", "q-plugin"])
        #expect(Set(client.asked.suffix(2).map(\.topic)) == ["q-reports-plugin", "q-plugin"])
        #expect(client.asked.count == 4)
        #expect(log.lines == [Self.failed, Self.failed])
    }

    // A listener that is gone leaves its queue, and with it silence.
    @Test func silentTopicGivesWayToTheOtherOneWithTheNextReport() async throws {
        let clock = clock
        let client = FakeClient { asked, _ in
            if asked.topic == "q-plugin" { return .success("new") }
            clock.advance(by: asked.timeout)
            return .failing(.timeout)
        }
        try await reporting(client) { await clock.sleepersReached(1) }
        // The interval went by with the waiting, so there was no pause.
        #expect(client.asked.map(\.topic) == ["q-reports-plugin", "q-plugin"])
        #expect(clock.now.offset == .seconds(30))
        #expect(log.lines == [Self.failed, Self.mended])
    }

    @Test func silenceMovesTheTopicBackAndForth() async throws {
        let clock = clock
        let client = FakeClient { asked, number in
            if number == 3 { return .success("new") }
            clock.advance(by: asked.timeout)
            return .failing(.timeout)
        }
        try await reporting(client) { await clock.sleepersReached(1) }
        #expect(client.asked.map(\.topic) == ["q-reports-plugin", "q-plugin", "q-reports-plugin", "q-plugin"])
    }

    @Test(arguments: [.unroutable, .timeout, .unreachable] as [MessagingError.Code])
    func givenTopicIsKept(code: MessagingError.Code) async throws {
        let client = FakeClient(.failing(code), .failing(code), .success("new"))
        try await reporting(client, .fixed("q-plugin")) {
            for _ in 0..<3 { await wait() }
            await clock.sleepersReached(1)
        }
        #expect(client.asked.map(\.topic) == ["q-plugin", "q-plugin", "q-plugin", "q-plugin"])
        #expect(client.asked.map(\.isCall) == [true, true, true, false])
    }

    // A bus that is away says nothing about topics.
    @Test(arguments: [.unreachable, .refused, .blocked, .rejected, .remoteFailure] as [MessagingError.Code])
    func otherFailuresDoNotMoveTheTopic(code: MessagingError.Code) async throws {
        let client = FakeClient(.failing(code))
        try await reporting(client) {
            for _ in 0..<2 { await wait() }
            await clock.sleepersReached(1)
        }
        #expect(client.asked.map(\.topic) == ["q-reports-plugin", "q-reports-plugin", "q-reports-plugin"])
    }

    @Test func serverWithoutStateReportsIsLeftAlone() async throws {
        let client = FakeClient(.failing(.noSuchMethod))
        // Returns by itself, or the time limit ends the test.
        await reporter(client).reportForEver()
        #expect(client.asked.count == 1)
        #expect(
            log.lines == [
                "warning: Neutron server does not support state report. State report for this agent will be disabled."
            ]
        )
    }

    // H64: the server counts the seconds between two reports, so what one takes must not add up.
    @Test func reportsKeepTheirRateHoweverLongTheyTake() async throws {
        let clock = clock
        let times = FakeTimes()
        let client = FakeClient { _, number in
            times.add(clock.now.offset)
            clock.advance(by: .seconds(number % 3 * 5))
            return .success("new")
        }
        try await reporting(client) {
            for number in 0..<6 { await wait(.seconds(30 - number % 3 * 5)) }
            await clock.sleepersReached(1)
        }
        #expect(times.all == (0...6).map { .seconds($0 * 30) })
    }

    @Test func reportThatTakesTooLongIsFollowedAtOnceAndNotByABurst() async throws {
        let clock = clock
        let times = FakeTimes()
        let client = FakeClient { _, number in
            times.add(clock.now.offset)
            if number == 1 { clock.advance(by: .seconds(100)) }
            return .success("new")
        }
        try await reporting(client) {
            await wait()
            try await reached(3, client)
            await wait()
            await clock.sleepersReached(1)
        }
        #expect(times.all == [.zero, .seconds(30), .seconds(130), .seconds(160)])
    }

    @Test func cancelledReporterEndsWithoutALine() async throws {
        let client = FakeClient { _, _ in
            while !Task.isCancelled { await Task.yield() }
            return .failing(.cancelled)
        }
        try await reporting(client) { try await reached(1, client) }
        #expect(client.asked.count == 1)
        #expect(log.lines.isEmpty)
    }
}
