import Foundation
import InMemoryLogging
import InstanceDirectory
import Logging
import MetadataModel
import Testing

@testable import NeutronREST

/// Questions to Neutron and what is made of the answers.
@Suite(.timeLimit(.minutes(2))) struct NeutronRESTDirectoryTests {
    private func error(_ body: () async throws -> some Any) async -> DirectoryError? {
        do {
            _ = try await body()
            return nil
        } catch {
            return error as? DirectoryError
        }
    }

    private func found(_ id: String) throws -> Finding {
        .instance(
            Instance(id: try #require(ResourceID(id)), projectID: try #require(ResourceID("project-a")))
        )
    }

    @Test func networkCostsOneRequestByAddressAlone() async throws {
        try await FakeCloud.run { cloud in
            cloud.state.change { state in
                state.pages[addressQuery] = pageJSON([
                    portJSON("p1", device: "theirs", network: "net-b"), portJSON("p2", device: "ours"),
                ])
            }
            let finding = try await cloud.directory { try await $0.find(networkClaim()) }
            #expect(finding == (try found("ours")))
            #expect(cloud.portRequests.map(\.query) == [addressQuery])
            #expect(cloud.portRequests.first?.headers["accept"] == "application/json")
        }
    }

    // LP 1348097: a router with hundreds of networks made the URI too long. LP 1353271: all kinds of interface.
    @Test func routerCostsTwoRequestsHoweverManyNetworksItJoins() async throws {
        try await FakeCloud.run { cloud in
            let owners = PortMatch.routerInterfaceOwners
            let interfaces = (0..<500).map {
                portJSON("i\($0)", device: "router-a", owner: owners[$0 % 3], network: "net-\($0)", address: "10.0.0.1")
            }
            cloud.state.change { state in
                state.pages[routerQuery] = pageJSON(interfaces)
                state.pages[addressQuery] = pageJSON([
                    portJSON("p1", device: "ours", network: "net-499"),
                    portJSON("p2", device: "theirs", network: "other"),
                ])
            }
            let finding = try await cloud.directory { try await $0.find(routerClaim()) }
            #expect(finding == (try found("ours")))
            #expect(cloud.portRequests.map(\.query) == [routerQuery, addressQuery])
        }
    }

    // Neutron's agent then leaves the network out of the search and takes whoever has the address anywhere.
    @Test func routerWithoutInterfacesMatchesNobody() async throws {
        try await FakeCloud.run { cloud in
            cloud.state.change { state in
                state.pages[routerQuery] = pageJSON([
                    portJSON("g", device: "router-a", owner: "network:router_gateway", network: "external")
                ])
                state.pages[addressQuery] = pageJSON([portJSON("p", device: "theirs", network: "other")])
            }
            let finding = try await cloud.directory { try await $0.find(routerClaim()) }
            #expect(finding == .nobody(.routerWithoutNetworks))
            #expect(cloud.portRequests.map(\.query) == [routerQuery])
        }
    }

    @Test func questionsAreFormEncodedWithAddressesAsNeutronStoresThem() throws {
        let v6 = try #require(IPAddress("2001:DB8:0:0::5"))
        #expect(PortQuery.ports(of: .fixedIP(v6)) == "fixed_ips=ip_address%3D2001%3Adb8%3A%3A5")
        let mac = try #require(MACAddress("FA:16:3E:00:00:05"))
        #expect(PortQuery.ports(of: .mac(mac)) == "mac_address=fa%3A16%3A3e%3A00%3A00%3A05")
        let hostile = try #require(ResourceID("a&fixed_ips=b#?%+/"))
        #expect(PortQuery.interfaces(of: hostile).hasPrefix("device_id=a%26fixed_ips%3Db%23%3F%25%2B%2F&device_owner="))
    }

    @Test func macIsLookedUpByItself() async throws {
        try await FakeCloud.run { cloud in
            cloud.state.change { $0.pages["mac_address=fa%3A16%3A3e%3A00%3A00%3A05"] = pageJSON([portJSON("p")]) }
            let address = try #require(IPAddress("fe80::f816:3eff:fe00:5"))
            let claim = try #require(Claim(scope: networkClaim().scope, address: address))
            let finding = try await cloud.directory { try await $0.find(claim) }
            #expect(finding == (try found("vm")))
        }
    }

    @Test func allPagesAreRead() async throws {
        try await FakeCloud.run { cloud in
            let base = cloud.server.url + "/networking/v2.0/ports"
            cloud.state.change { state in
                state.pages[addressQuery] = pageJSON(
                    [portJSON("p1", network: "x")],
                    next: "\(base)?\(addressQuery)&limit=1&marker=p1"
                )
                state.pages["\(addressQuery)&limit=1&marker=p1"] = pageJSON(
                    [portJSON("p2", network: "y")],
                    next: "\(base)?\(addressQuery)&limit=1&marker=p2"
                )
                state.pages["\(addressQuery)&limit=1&marker=p2"] = pageJSON([portJSON("p3", device: "third")])
            }
            let finding = try await cloud.directory { try await $0.find(networkClaim()) }
            #expect(finding == (try found("third")))
            #expect(cloud.portRequests.count == 3)
        }
    }

    @Test func linkToAnotherHostIsNotFollowedThere() async throws {
        try await FakeServer.run(answer: { _, _ in .respond(200, pageJSON([portJSON("p", device: "evil")])) }) {
            thief in
            try await FakeCloud.run { cloud in
                cloud.state.change { state in
                    state.pages[addressQuery] = pageJSON([], next: "\(thief.url)/v2.0/ports?marker=p1")
                    state.pages["marker=p1"] = pageJSON([portJSON("p2", device: "ours")])
                }
                let finding = try await cloud.directory { try await $0.find(networkClaim()) }
                #expect(finding == (try found("ours")))
                #expect(thief.requests.isEmpty)
            }
        }
    }

    @Test(arguments: [
        "http://127.0.0.1/v2.0/ports",
        "http://127.0.0.1/v2.0/ports?",
        "http://127.0.0.1/v2.0/ports?a b",
        "http://127.0.0.1/v2.0/ports?\(addressQuery)",
        "http://127.0.0.1/v2.0/ports?marker=circle",
    ])
    func linksThatLeadNowhereOrInACircleAreRefused(link: String) async throws {
        try await FakeCloud.run { cloud in
            cloud.state.change { state in
                state.pages[addressQuery] = pageJSON([], next: link)
                state.pages["marker=circle"] = pageJSON([], next: "/v2.0/ports?\(addressQuery)")
            }
            try await cloud.directory { directory in
                #expect(await error { try await directory.find(networkClaim()) }?.code == .malformedReply)
            }
            #expect(cloud.portRequests.count <= 2)
        }
    }

    @Test(arguments: [(4, nil), (3, DirectoryError.Code.malformedReply)] as [(Int, DirectoryError.Code?)])
    func pagesAreCounted(pagesMax: Int, expected: DirectoryError.Code?) async throws {
        try await FakeCloud.run { cloud in
            cloud.state.change { state in
                state.pages[addressQuery] = pageJSON([], next: "?m=1")
                for page in 1...2 { state.pages["m=\(page)"] = pageJSON([], next: "?m=\(page + 1)") }
            }
            try await cloud.directory({ $0.pagesMax = pagesMax }) { directory in
                #expect(await error { try await directory.find(networkClaim()) }?.code == expected)
            }
        }
    }

    @Test func bytesOfAllPagesTogetherAreBounded() async throws {
        try await FakeCloud.run { cloud in
            let (first, second) = (pageJSON([], next: "?m=1"), pageJSON([portJSON("p")]))
            cloud.state.change { state in
                state.pages[addressQuery] = first
                state.pages["m=1"] = second
            }
            let total = first.utf8.count + second.utf8.count
            let finding = try await cloud.directory({ $0.responseBytesMax = total }) {
                try await $0.find(networkClaim())
            }
            #expect(finding == (try found("vm")))
            try await cloud.directory({ $0.responseBytesMax = total - 1 }) { directory in
                #expect(await error { try await directory.find(networkClaim()) }?.code == .malformedReply)
            }
        }
    }

    @Test(
        arguments: [
            (200, "no JSON", DirectoryError.Code.malformedReply),
            (200, #"{"networks": []}"#, .malformedReply),
            (200, #"{"ports": [{"device_id": 5}]}"#, .malformedReply),
            (400, #"{"NeutronError": {"type": "X", "message": "bad filter", "detail": ""}}"#, .remoteFailure),
            (403, "{}", .unauthorized),
            (404, "", .remoteFailure),
            (500, #"{"NeutronError": "it broke"}"#, .remoteFailure),
            (502, "<html>", .unavailable),
            (503, "", .unavailable),
            (504, "", .unavailable),
            (429, "", .unavailable),
            (204, "", nil),
            (202, #"{"ports": []}"#, nil),
        ] as [(Int, String, DirectoryError.Code?)]
    )
    func everyStatusHasItsMeaning(status: Int, body: String, expected: DirectoryError.Code?) async throws {
        try await FakeCloud.run { cloud in
            cloud.state.change { state in
                state.instead = { $0.path.hasSuffix("/ports") ? .respond(status, body) : nil }
            }
            try await cloud.directory { directory in
                let error = await error { try await directory.find(networkClaim()) }
                #expect(error?.code == expected)
                if body.contains("bad filter") { #expect(error?.message.contains("bad filter") == true) }
                if body.contains("it broke") { #expect(error?.message.contains("it broke") == true) }
            }
            #expect(cloud.portRequests.count == 1)
        }
    }

    @Test func redirectIsAnErrorAndTheTokenStaysHere() async throws {
        try await FakeServer.run(answer: { _, _ in .respond(200, #"{"ports": []}"#) }) { thief in
            try await FakeCloud.run { cloud in
                let target = thief.url
                cloud.state.change { state in
                    state.instead = {
                        $0.path.hasSuffix("/ports") ? .respond(302, "", headers: ["Location": target]) : nil
                    }
                }
                try await cloud.directory { directory in
                    #expect(await error { try await directory.find(networkClaim()) }?.code == .remoteFailure)
                }
                #expect(thief.requests.isEmpty)
            }
        }
    }

    @Test func refusedConnectionCanBeWaitedFor() async throws {
        let port = try await FakeServer.run(answer: { _, _ in .silence }) { $0.port }
        try await FakeCloud.run { cloud in
            try await cloud.directory({ $0.authURL = "http://127.0.0.1:\(port)" }) { directory in
                let error = await error { try await directory.find(networkClaim()) }
                #expect(error?.code == .unreachable)
                #expect(error?.message.contains("http://127.0.0.1:\(port)") == true)
            }
        }
    }

    @Test func silentServerIsATimeout() async throws {
        try await FakeCloud.run { cloud in
            cloud.state.change { $0.instead = { $0.path.hasSuffix("/ports") ? .silence : nil } }
            try await cloud.directory({ $0.requestTimeout = .milliseconds(300) }) { directory in
                #expect(await error { try await directory.find(networkClaim()) }?.code == .timeout)
            }
        }
    }

    @Test func cancelledQuestionEndsAtOnce() async throws {
        try await FakeCloud.run { cloud in
            cloud.state.change { $0.instead = { $0.path.hasSuffix("/ports") ? .silence : nil } }
            try await cloud.directory { directory in
                let claim = try networkClaim()
                let question = Task { await error { try await directory.find(claim) } }
                while cloud.portRequests.isEmpty {
                    try Task.checkCancellation()
                    await Task.yield()
                }
                question.cancel()
                #expect(await question.value?.code == .timeout)
            }
        }
    }

    @Test func connectionClosedInsteadOfAnAnswerIsTriedOnceMore() async throws {
        try await FakeCloud.run { cloud in
            cloud.state.change { state in
                state.instead = { $0.path.hasSuffix("/ports") ? .hangUp : nil }
            }
            try await cloud.directory { directory in
                #expect(await error { try await directory.find(networkClaim()) }?.code == .unreachable)
            }
            #expect(cloud.portRequests.count == 2)
        }
    }

    @Test func accountWithoutTheAdminRoleIsReportedOnce() async throws {
        try await FakeCloud.run { cloud in
            cloud.state.change { $0.roles = ["member", "reader"] }
            try await cloud.directory { directory in
                for _ in 0..<3 { _ = try await directory.find(networkClaim()) }
                #expect(cloud.warnings.count == 1)
                #expect(cloud.warnings.first?.contains("admin role") == true)
            }
        }
    }

    @Test(arguments: [(["Admin"], false), (["member"], true)])
    func accountIsNotSuspectedWhenItIsAdminOrSeesThePort(roles: [String], hasPort: Bool) async throws {
        try await FakeCloud.run { cloud in
            cloud.state.change { state in
                state.roles = roles
                if hasPort { state.pages[addressQuery] = pageJSON([portJSON("p")]) }
            }
            _ = try await cloud.directory { try await $0.find(networkClaim()) }
            #expect(cloud.warnings == [])
        }
    }

    // The old client replaced the password by REDACTED in its debug lines, and printed the token.
    @Test func neitherPasswordNorTokenIsInAnyLogLineOrError() async throws {
        try await FakeCloud.run { cloud in
            var errors: [DirectoryError?] = []
            try await cloud.directory { directory in
                _ = try await directory.find(networkClaim())
                cloud.state.change { state in
                    state.instead = { request in
                        // A server that repeats the request in its error.
                        request.path.hasSuffix("/ports")
                            ? .respond(500, #"{"NeutronError": {"message": "token-1 is odd"}}"#) : nil
                    }
                }
                errors.append(await error { try await directory.find(networkClaim()) })
            }
            let echo = String(decoding: try JSONEncoder().encode(["error": FakeCloud.password + "?"]), as: UTF8.self)
            cloud.state.change { $0.instead = { _ in .respond(401, echo) } }
            try await cloud.directory { directory in
                errors.append(await error { try await directory.find(networkClaim()) })
                let lines = cloud.log.entries.map { "\($0.message) \($0.metadata)" } + errors.map { "\($0 as Any)" }
                #expect(errors.compactMap { $0 }.count == 2)
                #expect(errors.first??.message.contains("*** is odd") == true)
                #expect(errors.last??.message.contains("***?") == true)
                #expect(lines.count > 2)
                #expect(!lines.contains { $0.contains(FakeCloud.password) || $0.contains("token-1") })
                #expect(!"\(cloud.settings)".contains(FakeCloud.password))
            }
        }
    }
}
