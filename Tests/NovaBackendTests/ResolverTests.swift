import Dispatch
import Glibc
import MetadataModel
import RelayLoop
import Synchronization
import Testing

@testable import NovaBackend

@Suite struct ResolverScheduleTests {
    private func at(_ seconds: Double) -> LoopInstant {
        LoopInstant(nanoseconds: 1_000_000_000_000) + .seconds(seconds)
    }

    @Test func firstLookupIsDueAtOnce() {
        #expect(ResolverSchedule().wait(at: at(0)) == .zero)
    }

    @Test func answersAreRefreshedEveryThirtySeconds() {
        var schedule = ResolverSchedule()
        schedule.start(at: at(0))
        #expect(schedule.wait(at: at(0)) == .seconds(30))
        #expect(schedule.wait(at: at(29)) == .seconds(1))
        #expect(schedule.wait(at: at(30)) == .zero)
        #expect(schedule.wait(at: at(90)) == .zero)
    }

    @Test func failedConnectionAsksEarlierButNotMoreThanOncePerSecond() {
        var schedule = ResolverSchedule()
        schedule.start(at: at(0))
        #expect(schedule.demand() == true)
        #expect(schedule.wait(at: at(0.25)) == .milliseconds(750))
        #expect(schedule.wait(at: at(1)) == .zero)
    }

    @Test func thousandFailuresAreOneDemand() {
        var schedule = ResolverSchedule()
        schedule.start(at: at(0))
        var wakes = 0
        for _ in 0..<1000 where schedule.demand() { wakes += 1 }
        #expect(wakes == 1)
        schedule.start(at: at(1))
        #expect(schedule.wait(at: at(1)) == .seconds(30))
        #expect(schedule.demand() == true)
    }
}

@Suite(.timeLimit(.minutes(1))) struct BackendResolverTests {
    /// Answers lookups in a fixed order and reports what the resolver said after each change.
    private final class Script: Sendable {
        private let answers: Mutex<[AddressLookup]>
        let events: AsyncStream<BackendResolver.Event>
        private let continuation: AsyncStream<BackendResolver.Event>.Continuation
        private let lookups = Mutex(0)

        init(_ answers: [AddressLookup]) {
            self.answers = Mutex(answers)
            (events, continuation) = AsyncStream.makeStream()
        }

        var lookupCount: Int { lookups.withLock { $0 } }

        func resolver(_ endpoint: BackendEndpoint, demand: LoopSpan = .zero) -> BackendResolver {
            var schedule = ResolverSchedule()
            schedule.demandInterval = demand
            return BackendResolver(
                endpoint: endpoint,
                schedule: schedule,
                lookUp: { [self] _, _ in
                    lookups.withLock { $0 += 1 }
                    return answers.withLock { $0.count > 1 ? $0.removeFirst() : $0[0] }
                },
                onEvent: { [continuation] in continuation.yield($0) }
            )
        }
    }

    private static let one = SocketAddress.v4(UInt32(0x0A00_0001).bigEndian, port: 8775)
    private static let two = SocketAddress.v4(UInt32(0x0A00_0002).bigEndian, port: 8775)

    private func endpoint(_ host: String) throws -> BackendEndpoint {
        try BackendEndpoint(scheme: "http", host: host, port: 8775)
    }

    @Test func addressIsKnownWithoutThreadOrLookup() throws {
        let script = Script([.failed("must not be asked")])
        let resolver = script.resolver(try endpoint("10.0.0.1"))
        try resolver.start()
        #expect(resolver.current() == [Self.one])
        resolver.noteFailure()
        #expect(script.lookupCount == 0)
        #expect(
            script.resolver(try endpoint("::1")).current() == [.v6(high: 0, low: 1, port: 8775, scope: 0)]
        )
        #expect(script.resolver(try BackendEndpoint(unixPath: "/x")).current() == [.unix(path: "/x")])
    }

    @Test func nameHasNoAddressesBeforeTheFirstAnswer() throws {
        #expect(Script([.found([Self.one])]).resolver(try endpoint("nova")).current().isEmpty)
    }

    @Test func failedConnectionBringsTheNewAddress() async throws {
        let script = Script([.found([Self.one]), .found([Self.two, Self.one])])
        let resolver = script.resolver(try endpoint("nova"))
        try resolver.start()
        defer { resolver.stop() }
        var events = script.events.makeAsyncIterator()
        #expect(await events.next() == .resolved([Self.one]))
        #expect(resolver.current() == [Self.one])
        resolver.noteFailure()
        #expect(await events.next() == .resolved([Self.two, Self.one]))
        #expect(resolver.current() == [Self.two, Self.one])
    }

    @Test func lastGoodAnswerSurvivesTheDNS() async throws {
        let script = Script([.found([Self.one]), .failed("Temporary failure in name resolution")])
        let resolver = script.resolver(try endpoint("nova"))
        try resolver.start()
        defer { resolver.stop() }
        var events = script.events.makeAsyncIterator()
        #expect(await events.next() == .resolved([Self.one]))
        resolver.noteFailure()
        #expect(await events.next() == .failed(reason: "Temporary failure in name resolution", kept: 1))
        #expect(resolver.current() == [Self.one])
    }

    @Test func unknownNameIsAskedAgainWhenSomebodyWantsIt() async throws {
        let script = Script([.failed("Name or service not known"), .found([Self.one])])
        let resolver = script.resolver(try endpoint("nova"))
        try resolver.start()
        defer { resolver.stop() }
        var events = script.events.makeAsyncIterator()
        #expect(await events.next() == .failed(reason: "Name or service not known", kept: 0))
        // Asking is enough; nobody has to call noteFailure, for there was no connection to fail.
        #expect(resolver.current().isEmpty)
        #expect(await events.next() == .resolved([Self.one]))
    }

    @Test func sameAnswerIsNotNews() async throws {
        let script = Script([.found([Self.one]), .found([Self.one]), .found([Self.one]), .found([Self.two])])
        let resolver = script.resolver(try endpoint("nova"))
        try resolver.start()
        defer { resolver.stop() }
        var events = script.events.makeAsyncIterator()
        #expect(await events.next() == .resolved([Self.one]))
        while script.lookupCount < 4 {
            resolver.noteFailure()
            await Task.yield()
        }
        #expect(await events.next() == .resolved([Self.two]))
    }

    @Test func stopDoesNotWaitForAHangingLookup() throws {
        let begun = DispatchSemaphore(value: 0)
        let release = DispatchSemaphore(value: 0)
        let resolver = BackendResolver(
            endpoint: try endpoint("nova"),
            lookUp: { _, _ in
                begun.signal()
                release.wait()
                return .failed("late")
            },
            onEvent: { Issue.record("event after stop: \($0)") }
        )
        try resolver.start()
        begun.wait()
        resolver.stop()
        #expect(resolver.current().isEmpty)
        release.signal()
    }

    @Test func systemKnowsLocalhost() {
        guard case .found(let addresses) = AddressLookup.system(name: "localhost", port: 8775) else {
            Issue.record("localhost does not resolve")
            return
        }
        let loopback = SocketAddress.v4(UInt32(0x7F00_0001).bigEndian, port: 8775)
        #expect(addresses.contains(loopback))
        #expect(Set(addresses).count == addresses.count)
    }

    @Test func systemSaysWhyANameFails() {
        // A label over 63 bytes fits into no DNS query, so that nothing is sent.
        let name = String(repeating: "a", count: 64) + ".invalid"
        guard case .failed(let reason) = AddressLookup.system(name: name, port: 1) else {
            Issue.record("an impossible name resolves")
            return
        }
        #expect(!reason.isEmpty)
    }
}
