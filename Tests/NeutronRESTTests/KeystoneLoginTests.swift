import Foundation
import InstanceDirectory
import MetadataModel
import TestSupport
import Testing

@testable import NeutronREST

/// The login itself: versions, bodies, catalog.
@Suite(.timeLimit(.minutes(2))) struct KeystoneLoginTests {
    private func code(_ body: () async throws -> some Any) async -> DirectoryError.Code? {
        do {
            _ = try await body()
            return nil
        } catch {
            return (error as? DirectoryError)?.code
        }
    }

    /// Compares JSON by value.
    private func json(_ text: String) throws -> NSDictionary {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? NSDictionary)
    }

    @Test func versionThreeLogsInWithDomainsAndReadsTheTokenFromTheHeader() async throws {
        try await FakeCloud.run { cloud in
            _ = try await cloud.directory({ settings in
                settings.userDomain = .name("Services")
                settings.authURL += "/v3/"
            }) { try await $0.find(networkClaim()) }
            let login = try #require(cloud.loginRequests.first)
            #expect(login.path == "/identity/v3/auth/tokens")
            #expect(login.headers["content-type"] == "application/json")
            #expect(login.headers["accept"] == "application/json")
            #expect(login.headers["x-auth-token"] == nil)
            let user: [String: Any] = [
                "name": "neutron", "domain": ["name": "Services"], "password": FakeCloud.password,
            ]
            let expected: [String: Any] = [
                "auth": [
                    "identity": ["methods": ["password"], "password": ["user": user]] as [String: Any],
                    "scope": ["project": ["name": "service", "domain": ["id": "default"]] as [String: Any]],
                ] as [String: Any]
            ]
            #expect(try json(login.body) == expected as NSDictionary)
            #expect(cloud.portRequests.first?.headers["x-auth-token"] == "token-1")
            // The address says the version, so nothing was asked first.
            #expect(cloud.server.requests.count == 2)
        }
    }

    // A password with quotes, a backslash, dollars and letters outside ASCII arrives as it is.
    @Test func versionTwoLogsInWithTheTenantsName() async throws {
        try await FakeCloud.run { cloud in
            _ = try await cloud.directory({ $0.authURL += "/v2.0" }) { try await $0.find(networkClaim()) }
            let login = try #require(cloud.loginRequests.first)
            #expect(login.path == "/identity/v2.0/tokens")
            let credentials = ["username": "neutron", "password": FakeCloud.password]
            let expected: [String: Any] = [
                "auth": ["passwordCredentials": credentials, "tenantName": "service"] as [String: Any]
            ]
            #expect(try json(login.body) == expected as NSDictionary)
            #expect(cloud.portRequests.first?.headers["x-auth-token"] == "token-1")
            #expect(cloud.server.requests.count == 2)
        }
    }

    @Test(arguments: [
        (300, FakeCloud.versions(["v2.0", "v3.8"]), "/identity/v3/auth/tokens"),
        (300, FakeCloud.versions(["v2.0"]), "/identity/v2.0/tokens"),
        (200, #"{"version": {"id": "v3.14", "status": "stable"}}"#, "/identity/v3/auth/tokens"),
        (200, #"{"versions": [{"id": "v2.0"}, {"id": "v3"}]}"#, "/identity/v3/auth/tokens"),
    ])
    func versionIsDiscoveredOnceFromStatus300AsFrom200(status: Int, document: String, expected: String) async throws {
        try await FakeCloud.run { cloud in
            cloud.state.change { state in
                state.instead = { $0.path == "/identity/" ? .respond(status, document) : nil }
                state.lifetime = 10
            }
            try await cloud.directory { directory in
                _ = try await directory.find(networkClaim())
                cloud.clock.advance(by: .seconds(10))
                _ = try await directory.find(networkClaim())
            }
            #expect(cloud.loginRequests.map(\.path) == [expected, expected])
            #expect(cloud.server.requests.count { $0.path == "/identity/" } == 1)
        }
    }

    @Test(arguments: [
        (RESTSettings.AuthVersion.v3, "", "/identity/v3/auth/tokens"),
        (.v3, "/", "/identity/v3/auth/tokens"),
        (.v3, "/v2.0", "/identity/v3/auth/tokens"),
        (.v2, "", "/identity/v2.0/tokens"),
        (.v2, "/v3", "/identity/v2.0/tokens"),
        (.v2, "/v2.0/", "/identity/v2.0/tokens"),
    ])
    func chosenVersionReplacesTheOneInTheAddress(
        version: RESTSettings.AuthVersion,
        suffix: String,
        expected: String
    ) async throws {
        try await FakeCloud.run { cloud in
            _ = try await cloud.directory({ settings in
                settings.authVersion = version
                settings.authURL += suffix
            }) { try await $0.find(networkClaim()) }
            #expect(cloud.server.requests.first?.path == expected)
        }
    }

    @Test(
        arguments: [
            // Keystone's refusals.
            (401, "{}", nil, DirectoryError.Code.unauthorized),
            (403, "{}", nil, .unauthorized),
            (503, "{}", nil, .unavailable),
            (500, "{}", nil, .remoteFailure),
            (404, "{}", nil, .remoteFailure),
            (302, "", nil, .remoteFailure),
            // Answers that are no login.
            (201, "{}", "token", .malformedReply),
            (201, "no JSON", "token", .malformedReply),
            (201, #"{"token": {"catalog": []}}"#, nil, .malformedReply),
            (201, #"{"token": {"catalog": []}}"#, "", .malformedReply),
            // A token of no project.
            (201, #"{"token": {"catalog": []}}"#, "token", .misconfigured),
        ] as [(Int, String, String?, DirectoryError.Code)]
    )
    func everyOtherAnswerIsAnError(
        status: Int,
        body: String,
        token: String?,
        expected: DirectoryError.Code
    ) async throws {
        try await FakeCloud.run { cloud in
            cloud.state.change { state in
                state.instead = { request in
                    guard request.path == "/identity/v3/auth/tokens" else { return nil }
                    return .respond(status, body, headers: token.map { ["X-Subject-Token": $0] } ?? [:])
                }
            }
            try await cloud.directory { directory in
                #expect(await code { try await directory.find(networkClaim()) } == expected)
            }
            #expect(cloud.loginRequests.count == 1)
            #expect(cloud.portRequests.isEmpty)
        }
    }

    @Test func versionTwoKnowsNoOtherSuccessThan200() async throws {
        try await FakeCloud.run { cloud in
            cloud.state.change { state in
                state.instead = {
                    $0.method == "POST" ? .respond(203, #"{"access": {"token": {"id": "x"}}}"#) : nil
                }
            }
            try await cloud.directory({ $0.authVersion = .v2 }) { directory in
                #expect(await code { try await directory.find(networkClaim()) } == .remoteFailure)
            }
        }
    }

    @Test(arguments: [RESTSettings.AuthVersion.v2, .v3])
    func regionChoosesTheEndpoint(version: RESTSettings.AuthVersion) async throws {
        try await FakeCloud.run { cloud in
            let right = cloud.server.url + "/networking"
            cloud.state.change { state in
                state.endpoints = [
                    ("admin", "RegionOne", "http://127.0.0.1:9/wrong"),
                    ("admin", "RegionTwo", right),
                ]
            }
            let finding = try await cloud.directory({ settings in
                settings.region = "RegionTwo"
                settings.authVersion = version
            }) { try await $0.find(networkClaim()) }
            #expect(finding == .nobody(.noPort))
            try await cloud.directory({ settings in
                settings.region = "regiontwo"
                settings.authVersion = version
            }) { directory in
                do {
                    _ = try await directory.find(networkClaim())
                    Issue.record("a region that is not there was found")
                } catch let error as DirectoryError {
                    #expect(error.code == .misconfigured)
                    #expect(error.message.contains("RegionOne, RegionTwo"))
                }
            }
        }
    }

    @Test func firstEndpointIsTakenWithoutARegion() async throws {
        try await FakeCloud.run { cloud in
            let right = cloud.server.url + "/networking"
            cloud.state.change { state in
                state.endpoints = [("admin", "RegionTwo", right), ("admin", "RegionOne", "http://127.0.0.1:9/wrong")]
            }
            let finding = try await cloud.directory { try await $0.find(networkClaim()) }
            #expect(finding == .nobody(.noPort))
        }
    }

    @Test(arguments: [RESTSettings.AuthVersion.v2, .v3])
    func missingAdminEndpointGivesWayToTheInternalOneWithOneWarning(version: RESTSettings.AuthVersion) async throws {
        try await FakeCloud.run { cloud in
            let right = cloud.server.url + "/networking"
            cloud.state.change { state in
                state.endpoints = [("public", "R", "http://127.0.0.1:9/wrong"), ("internal", "R", right)]
                state.lifetime = 10
            }
            try await cloud.directory({ $0.authVersion = version }) { directory in
                for _ in 0..<3 {
                    _ = try await directory.find(networkClaim())
                    cloud.clock.advance(by: .seconds(10))
                }
            }
            #expect(cloud.loginRequests.count == 3)
            #expect(cloud.warnings == ["The service catalog lacks the configured kind of endpoint; using another"])
        }
    }

    @Test func publicEndpointIsTheLastResortForAdminAndNoneForInternal() async throws {
        try await FakeCloud.run { cloud in
            let right = cloud.server.url + "/networking"
            cloud.state.change { $0.endpoints = [("public", "R", right)] }
            let finding = try await cloud.directory { try await $0.find(networkClaim()) }
            #expect(finding == .nobody(.noPort))
            try await cloud.directory({ $0.endpointType = .internalURL }) { directory in
                #expect(await code { try await directory.find(networkClaim()) } == .misconfigured)
            }
        }
    }

    @Test(arguments: ["", "/", "/v2.0", "/v2.0/"])
    func endpointMayNameTheVersionOrNot(suffix: String) async throws {
        try await FakeCloud.run { cloud in
            let url = cloud.server.url + "/networking" + suffix
            cloud.state.change { $0.endpoints = [("admin", "R", url)] }
            _ = try await cloud.directory { try await $0.find(networkClaim()) }
            #expect(cloud.portRequests.map(\.path) == ["/networking/v2.0/ports"])
        }
    }

    @Test func endpointOptionReplacesTheCatalog() async throws {
        try await FakeCloud.run { cloud in
            cloud.state.change { $0.hasCatalog = false }
            let finding = try await cloud.directory({ $0.endpointURL = cloud.server.url + "/networking/" }) {
                try await $0.find(networkClaim())
            }
            #expect(finding == .nobody(.noPort))
            #expect(cloud.portRequests.first?.headers["x-auth-token"] == "token-1")
        }
    }

    @Test func noauthSendsAnEmptyTokenAndAsksKeystoneNothing() async throws {
        try await FakeCloud.run { cloud in
            cloud.state.change { state in
                state.instead = {
                    $0.headers["x-auth-token"] == "" ? .respond(200, pageJSON([portJSON("p")])) : .respond(401, "{}")
                }
            }
            let finding = try await cloud.directory({ settings in
                settings.strategy = .noauth
                settings.authURL = ""
                settings.endpointURL = cloud.server.url
            }) { try await $0.find(networkClaim()) }
            #expect(finding != .nobody(.noPort))
            #expect(cloud.server.requests.map(\.path) == ["/v2.0/ports"])

            cloud.state.change { $0.instead = { _ in .respond(401, "{}") } }
            try await cloud.directory({ settings in
                settings.strategy = .noauth
                settings.endpointURL = cloud.server.url
            }) { directory in
                #expect(await code { try await directory.find(networkClaim()) } == .unauthorized)
            }
            #expect(cloud.loginRequests.isEmpty)
        }
    }

    @Test func unusableOptionsAreRefusedAtTheStart() async throws {
        try await FakeCloud.run { cloud in
            let changes: [(inout RESTSettings) -> Void] = [
                { $0.authURL = "" },
                { $0.authURL = "keystone:5000" },
                { $0.authURL = "ftp://keystone" },
                { $0.authURL = "http://" },
                { $0.authURL = "http://keystone/?a=b" },
                { $0.authURL = "http://admin:secret@keystone/" },
                { $0.strategy = .noauth },
                { $0.endpointURL = "neutron" },
                { $0.caFile = "/nonexistent/ca.pem" },
            ]
            for change in changes {
                #expect(await code { try await cloud.directory(change) { _ in } } == .misconfigured)
            }
        }
    }
}
