import InstanceDirectory
import MetadataModel
import TestSupport
import Testing

@testable import NeutronREST

/// How long a token is used, and when the next login is due.
@Suite(.timeLimit(.minutes(2))) struct TokenLifeTests {
    private func error(_ body: () async throws -> some Any) async -> DirectoryError? {
        do {
            _ = try await body()
            return nil
        } catch {
            return error as? DirectoryError
        }
    }

    // LP 1274487 and LP 1365352: one Keystone login per guest request.
    @Test func oneLoginServesAllRequests() async throws {
        try await FakeCloud.run { cloud in
            try await cloud.directory { directory in
                for _ in 0..<5 { _ = try await directory.find(networkClaim()) }
            }
            #expect(cloud.loginRequests.count == 1)
            #expect(cloud.portRequests.count == 5)
        }
    }

    @Test func requestsAtTheSameTimeShareOneLogin() async throws {
        try await FakeCloud.run { cloud in
            try await cloud.directory { directory in
                let claim = try networkClaim()
                try await withThrowingTaskGroup(of: Finding.self) { group in
                    for _ in 0..<30 { group.addTask { try await directory.find(claim) } }
                    for try await finding in group { #expect(finding == .nobody(.noPort)) }
                }
            }
            #expect(cloud.loginRequests.count == 1)
            #expect(cloud.portRequests.count == 30)
        }
    }

    @Test(arguments: [RESTSettings.AuthVersion.v2, .v3])
    func tokenIsRenewedTwoMinutesBeforeItExpires(version: RESTSettings.AuthVersion) async throws {
        try await FakeCloud.run { cloud in
            try await cloud.directory({ $0.authVersion = version }) { directory in
                _ = try await directory.find(networkClaim())
                cloud.clock.advance(by: .seconds(3_480) - .nanoseconds(1))
                _ = try await directory.find(networkClaim())
                #expect(cloud.loginRequests.count == 1)
                cloud.clock.advance(by: .nanoseconds(1))
                _ = try await directory.find(networkClaim())
                #expect(cloud.loginRequests.count == 2)
            }
            #expect(cloud.portRequests.map { $0.headers["x-auth-token"] } == ["token-1", "token-1", "token-2"])
        }
    }

    @Test func shortLivedTokenIsStillUsedForHalfItsLife() async throws {
        try await FakeCloud.run { cloud in
            cloud.state.change { $0.lifetime = 60 }
            try await cloud.directory { directory in
                for _ in 0..<29 {
                    _ = try await directory.find(networkClaim())
                    cloud.clock.advance(by: .seconds(1))
                }
                #expect(cloud.loginRequests.count == 1)
                cloud.clock.advance(by: .seconds(1))
                _ = try await directory.find(networkClaim())
                #expect(cloud.loginRequests.count == 2)
            }
        }
    }

    @Test func tokenWithoutAnEndIsUsedUntilItIsRefused() async throws {
        try await FakeCloud.run { cloud in
            cloud.state.change { $0.lifetime = nil }
            try await cloud.directory { directory in
                _ = try await directory.find(networkClaim())
                cloud.clock.advance(by: .seconds(1_000_000))
                _ = try await directory.find(networkClaim())
            }
            #expect(cloud.loginRequests.count == 1)
        }
    }

    @Test func earlyRenewalThatFailsLeavesTheOldTokenInUseUntilItExpires() async throws {
        try await FakeCloud.run { cloud in
            try await cloud.directory { directory in
                _ = try await directory.find(networkClaim())
                cloud.state.change { $0.instead = { $0.method == "POST" ? .respond(503, "") : nil } }
                cloud.clock.advance(by: .seconds(3_500))
                _ = try await directory.find(networkClaim())
                _ = try await directory.find(networkClaim())
                #expect(cloud.loginRequests.count == 2)
                cloud.clock.advance(by: .seconds(100))
                #expect(await error { try await directory.find(networkClaim()) }?.code == .unavailable)
            }
        }
    }

    @Test func refusedTokenIsReplacedOnceAndTheEndpointReadAnew() async throws {
        try await FakeCloud.run { cloud in
            let claim = try networkClaim()
            cloud.state.change { $0.pages[addressQuery] = pageJSON([portJSON("p")]) }
            try await cloud.directory { directory in
                _ = try await directory.find(claim)
                // Another process logs in, which ends the first token, and Neutron moves to another address.
                let moved = cloud.server.url + "/moved"
                cloud.state.change { state in
                    state.logins += 1
                    state.endpoints = [("admin", "R", moved)]
                    state.instead = { request in
                        guard request.path == "/moved/v2.0/ports" else { return nil }
                        return request.headers["x-auth-token"] == "token-3"
                            ? .respond(200, pageJSON([portJSON("p", device: "vm-2")])) : .respond(401, "{}")
                    }
                }
                guard case .instance(let instance) = try await directory.find(claim) else {
                    Issue.record("nobody found")
                    return
                }
                #expect(instance.id.description == "vm-2")
            }
            #expect(cloud.loginRequests.count == 2)
            #expect(cloud.portRequests.map(\.path).suffix(2) == ["/networking/v2.0/ports", "/moved/v2.0/ports"])
        }
    }

    @Test func secondRefusalIsAnErrorAndTheNextLoginsWaitLongerAndLonger() async throws {
        try await FakeCloud.run { cloud in
            try await cloud.directory { directory in
                cloud.state.change { $0.isTokenGood = false }
                let first = await error { try await directory.find(networkClaim()) }
                #expect(first?.code == .unauthorized)
                #expect(cloud.loginRequests.count == 2)
                #expect(cloud.portRequests.count == 2)
                // One login per step from here on, and none in between.
                for (step, pause) in [1, 2, 4].enumerated() {
                    cloud.clock.advance(by: .seconds(pause) - .nanoseconds(1))
                    #expect(await error { try await directory.find(networkClaim()) }?.code == .unauthorized)
                    #expect(cloud.loginRequests.count == 2 + step)
                    cloud.clock.advance(by: .nanoseconds(1))
                    #expect(await error { try await directory.find(networkClaim()) }?.code == .unauthorized)
                    #expect(cloud.loginRequests.count == 3 + step)
                }
                cloud.state.change { $0.isTokenGood = true }
                cloud.clock.advance(by: .seconds(8))
                _ = try await directory.find(networkClaim())
                // The accepted token has ended the back-off: a refusal is answered with a login again.
                cloud.state.change { $0.logins += 1 }
                _ = try await directory.find(networkClaim())
            }
        }
    }

    @Test func wrongPasswordIsNotTriedAgainBeforeItsPauseEnds() async throws {
        try await FakeCloud.run { cloud in
            cloud.state.change { $0.instead = { $0.method == "POST" ? .respond(401, "{}") : nil } }
            try await cloud.directory { directory in
                for (step, pause) in [1, 2, 4, 8, 16, 30, 30].enumerated() {
                    for _ in 0..<3 {
                        #expect(await error { try await directory.find(networkClaim()) }?.code == .unauthorized)
                    }
                    #expect(cloud.loginRequests.count == step + 1)
                    cloud.clock.advance(by: .seconds(pause) - .nanoseconds(1))
                    #expect(await error { try await directory.find(networkClaim()) }?.code == .unauthorized)
                    #expect(cloud.loginRequests.count == step + 1)
                    cloud.clock.advance(by: .nanoseconds(1))
                }
            }
        }
    }

    @Test func keystoneThatIsAwayIsTriedEverySecond() async throws {
        try await FakeCloud.run { cloud in
            cloud.state.change { $0.instead = { $0.method == "POST" ? .respond(503, "") : nil } }
            try await cloud.directory { directory in
                for attempt in 1...6 {
                    #expect(await error { try await directory.find(networkClaim()) }?.code == .unavailable)
                    #expect(await error { try await directory.find(networkClaim()) }?.code == .unavailable)
                    #expect(cloud.loginRequests.count == attempt)
                    cloud.clock.advance(by: .seconds(1))
                }
                cloud.state.change { $0.instead = nil }
                _ = try await directory.find(networkClaim())
            }
        }
    }

    @Test(
        arguments: [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:34:56Z", 951_827_696),
            ("2026-10-17T12:34:56.123456Z", 1_792_240_496),
            ("2016-12-31T23:59:60Z", 1_483_228_800),
            ("2024-03-01T00:00:00", 1_709_251_200),
            ("2024-03-01", nil),
            ("2024-13-01T00:00:00Z", nil),
            ("2024-03-01T24:00:00Z", nil),
            ("2024-03-01T00:00:00+02:00", nil),
            ("2024-03-01 00:00:00Z", nil),
            ("", nil),
            ("yesterday, a while before", nil),
        ] as [(String, Int64?)]
    )
    func timesAreReadAsKeystoneWritesThem(text: String, seconds: Int64?) {
        #expect(UTCTime(text)?.secondsSince1970 == seconds)
    }
}
