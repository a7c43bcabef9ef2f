import InMemoryLogging
import InstanceDirectory
import Logging
import MetadataModel
import OsloMessaging
import TestSupport
import Testing

@testable import NeutronRPC

@Suite struct FallbackDirectoryTests {
    private static let forGood = "warning: Server does not support metadata RPC, fallback to using neutron client"
    private static let forNow = "warning: Lookups use Neutron's REST API for now"
    private static let again = "info: Lookups use the message bus again"

    private let clock = ManualClock()
    private let log = InMemoryLogHandler()
    private let rest = ScriptedDirectory(name: "REST")

    private func directory(_ client: FakeClient) -> FallbackDirectory {
        FallbackDirectory(
            rpc: NeutronRPCDirectory(client: client, timeout: .seconds(3), logger: log.logger),
            rest: rest,
            clock: clock,
            logger: log.logger
        )
    }

    private func error(_ directory: FallbackDirectory, _ claim: Claim) async -> DirectoryError? {
        do {
            _ = try await directory.find(claim)
            return nil
        } catch {
            return error
        }
    }

    private func answerByREST() throws -> Claim {
        let claim = try networkClaim()
        rest.answer(claim, with: .success(try found("by-rest")))
        return claim
    }

    @Test func restIsNotAskedWhileTheBusAnswers() async throws {
        let directory = directory(FakeClient(.success([port("p", device: "by-rpc")]), .success([])))
        #expect(try await directory.find(networkClaim()) == found("by-rpc"))
        // "Nobody" is an answer too.
        #expect(try await directory.find(networkClaim()) == .nobody(.noPort))
        #expect(rest.asked.isEmpty)
        #expect(log.lines.filter { !$0.hasPrefix("debug") }.isEmpty)
    }

    // What a Juno server says.
    @Test func serverWithoutTheMethodIsAskedByRESTFromThenOn() async throws {
        let client = FakeClient(.failing(.noSuchMethod), .success([port("p", device: "by-rpc")]))
        let directory = directory(client)
        let claim = try answerByREST()
        for _ in 0..<5 {
            #expect(try await directory.find(claim) == found("by-rest"))
            clock.advance(by: .seconds(3_600))
        }
        #expect(client.asked.count == 1)
        #expect(rest.asked.count == 5)
        #expect(log.lines == [Self.forGood])
    }

    // Kilo's agent stayed with REST for ever after one timeout.
    @Test(
        arguments: [
            .timeout, .unreachable, .refused, .blocked, .rejected, .unroutable, .overloaded,
        ] as [MessagingError.Code]
    )
    func silentBusIsTriedAgainAfterTenSeconds(code: MessagingError.Code) async throws {
        let client = FakeClient(.failing(code), .failing(code), .success([port("p", device: "by-rpc")]))
        let directory = directory(client)
        let claim = try answerByREST()
        #expect(try await directory.find(claim) == found("by-rest"))
        clock.advance(by: .seconds(10) - .nanoseconds(1))
        #expect(try await directory.find(claim) == found("by-rest"))
        #expect(client.asked.count == 1)
        clock.advance(by: .nanoseconds(1))
        #expect(try await directory.find(claim) == found("by-rest"))
        #expect(client.asked.count == 2)
        clock.advance(by: .seconds(10))
        #expect(try await directory.find(claim) == found("by-rpc"))
        #expect(try await directory.find(claim) == found("by-rpc"))
        #expect(rest.asked.count == 3)
        // A word when it begins and when it ends, and none in between.
        #expect(log.lines == [Self.forNow, Self.again])
        #expect(log.entries.first?.metadata["reason"] == "The bus says \(code.rawValue). (\(code.rawValue))")
    }

    // The server answered, and REST would ask the same server; or nobody waits any more.
    @Test(arguments: [.remoteFailure, .malformedReply, .misconfigured, .cancelled] as [MessagingError.Code])
    func failureThatRESTCannotMendIsAnError(code: MessagingError.Code) async throws {
        let client = FakeClient(.failing(code))
        let directory = directory(client)
        let claim = try answerByREST()
        for _ in 0..<2 {
            #expect(await error(directory, claim)?.message == "The bus says \(code.rawValue).")
        }
        #expect(client.asked.count == 2)
        #expect(rest.asked.isEmpty)
        #expect(log.lines.isEmpty)
    }

    /// Held or refused: what can be waited for decides, because the bus may be back before the API's credentials are
    /// corrected.
    @Test(
        arguments: [
            (.timeout, .unauthorized, .timeout), (.unreachable, .misconfigured, .unreachable),
            (.blocked, .remoteFailure, .unavailable), (.timeout, .unreachable, .unreachable),
            (.unreachable, .timeout, .timeout), (.noSuchMethod, .unauthorized, .unauthorized),
            (.noSuchMethod, .unavailable, .unavailable),
        ] as [(MessagingError.Code, DirectoryError.Code, DirectoryError.Code)]
    )
    func bothFailuresAreTold(
        bus: MessagingError.Code,
        api: DirectoryError.Code,
        code: DirectoryError.Code
    ) async throws {
        let client = FakeClient(.failing(bus))
        let directory = directory(client)
        let claim = try networkClaim()
        rest.answer(claim, with: .failure(DirectoryError(api, "The API is no better.")))
        // A source that gives no answer is no reason to ask only that one from then on.
        for count in 1...3 {
            let error = await error(directory, claim)
            #expect(error?.code == code)
            #expect(error?.message.hasSuffix("The API is no better.") == true)
            // A server that lacks the method is not asked for it again.
            if bus == .noSuchMethod, count > 1 { continue }
            #expect(error?.message.hasPrefix("The bus says \(bus.rawValue).") == true)
        }
        #expect(client.asked.count == (bus == .noSuchMethod ? 1 : 3))
        #expect(rest.asked.count == 3)
        #expect(log.lines == (bus == .noSuchMethod ? [Self.forGood] : []))
    }

    // A broker restarts, and the API's credentials have never been right: the guest that is held must be served when
    // the broker is back.
    @Test(arguments: [.unauthorized, .unreachable, .misconfigured, .remoteFailure] as [DirectoryError.Code])
    func uselessAPIKeepsNobodyFromTheBus(code: DirectoryError.Code) async throws {
        let client = FakeClient(.failing(.unreachable), .success([port("p", device: "by-rpc")]))
        let directory = directory(client)
        let claim = try networkClaim()
        rest.answer(claim, with: .failure(DirectoryError(code, "The API is no better.")))
        #expect(await error(directory, claim)?.waitingCanHelp == true)
        #expect(try await directory.find(claim) == found("by-rpc"))
        #expect(client.asked.count == 2)
        #expect(log.lines.isEmpty)
    }

    @Test(arguments: [.unauthorized, .unreachable, .malformedReply] as [DirectoryError.Code])
    func busIsAskedBeforeItsRestIsOverIfTheAPIFails(code: DirectoryError.Code) async throws {
        let client = FakeClient(.failing(.timeout), .success([port("p", device: "by-rpc")]))
        let directory = directory(client)
        let claim = try networkClaim()
        rest.answer(claim, with: .success(try found("by-rest")), .failure(DirectoryError(code, "No more.")))
        #expect(try await directory.find(claim) == found("by-rest"))
        #expect(try await directory.find(claim) == found("by-rpc"))
        #expect(try await directory.find(claim) == found("by-rpc"))
        #expect(client.asked.count == 3)
        #expect(rest.asked.count == 2)
        #expect(log.lines == [Self.forNow, Self.again])
    }

    @Test(
        arguments: [
            (.timeout, .unauthorized, .timeout), (.timeout, .unavailable, .unavailable),
            (.remoteFailure, .unauthorized, .unauthorized), (.noSuchMethod, .unauthorized, .unauthorized),
        ] as [(MessagingError.Code, DirectoryError.Code, DirectoryError.Code)]
    )
    func bothFailuresAreToldWhileTheBusRests(
        bus: MessagingError.Code,
        api: DirectoryError.Code,
        code: DirectoryError.Code
    ) async throws {
        let client = FakeClient(.failing(.timeout), .failing(bus))
        let directory = directory(client)
        let claim = try networkClaim()
        let answer = ScriptedDirectory.Reply.success(try found("by-rest"))
        rest.answer(claim, with: answer, .failure(DirectoryError(api, "The API is no better.")), answer)
        #expect(try await directory.find(claim) == found("by-rest"))
        let error = await error(directory, claim)
        #expect(error?.code == code)
        #expect(error?.message == "The bus says \(bus.rawValue). The API is no better.")
        // The rest goes on: the API is asked first, and answers.
        #expect(try await directory.find(claim) == found("by-rest"))
        #expect(client.asked.count == 2)
        #expect(rest.asked.count == 3)
        #expect(log.lines == [Self.forNow] + (bus == .noSuchMethod ? [Self.forGood] : []))
    }

    // Lookups that began earlier end later.
    @Test func serverThatLacksTheMethodDoesNotGetItByALateAnswer() async throws {
        let client = FakeClient { asked, number in
            if number == 0 {
                while !Task.isCancelled { await Task.yield() }
                return .success([port("p", device: "by-rpc")])
            }
            return .failing(.noSuchMethod)
        }
        let directory = directory(client)
        let claim = try answerByREST()
        let early = Task { try await directory.find(claim) }
        while client.asked.isEmpty { await Task.yield() }
        #expect(try await directory.find(claim) == found("by-rest"))
        early.cancel()
        #expect(try await early.value == found("by-rpc"))
        #expect(try await directory.find(claim) == found("by-rest"))
        #expect(client.asked.count == 2)
        #expect(log.lines == [Self.forGood])
    }

    @Test func failuresAtTheSameTimeAreOneLine() async throws {
        let directory = directory(FakeClient(.failing(.timeout)))
        let claim = try answerByREST()
        let expected = try found("by-rest")
        try await withThrowingTaskGroup(of: Finding.self) { group in
            for _ in 0..<20 { group.addTask { try await directory.find(claim) } }
            for try await finding in group { #expect(finding == expected) }
        }
        #expect(log.lines == [Self.forNow])
    }
}
