import InMemoryLogging
import InstanceDirectory
import MetadataModel
import OsloMessaging
import Testing

@testable import NeutronRPC

/// Questions to the server over the bus and what is made of the answers.
@Suite struct NeutronRPCDirectoryTests {
    private let log = InMemoryLogHandler()

    private func directory(_ client: FakeClient) -> NeutronRPCDirectory {
        NeutronRPCDirectory(client: client, timeout: .seconds(7), logger: log.logger)
    }

    private func error(_ client: FakeClient, _ claim: Claim) async -> DirectoryError? {
        do {
            _ = try await directory(client).find(claim)
            return nil
        } catch {
            return error
        }
    }

    @Test func networkCostsOneCall() async throws {
        let client = FakeClient(.success([port("p1", device: "ours")]))
        #expect(try await directory(client).find(networkClaim()) == found("ours"))
        let asked = try #require(client.asked.first)
        #expect(client.asked.count == 1)
        #expect(asked.isCall)
        #expect(asked.method.name == "get_ports")
        #expect(asked.method.version == "1.0")
        #expect(
            asked.method.arguments
                == ["filters": ["fixed_ips": ["ip_address": ["10.0.0.5"]], "network_id": ["net-a"]]]
        )
        #expect(asked.topic == "q-plugin")
        #expect(asked.timeout == .seconds(7))
        // A guest waits, and a second question does no harm.
        #expect(!asked.isPatient)
        #expect(asked.resendAfter == .milliseconds(2_500))
        #expect(asked.context["is_admin"] == true)
        #expect(asked.context["read_deleted"] == "no")
    }

    // LP 1353271: all kinds of interface. LP 1348097: hundreds of networks in one question.
    @Test func routerCostsTwoCallsHoweverManyNetworksItJoins() async throws {
        let owners = PortMatch.routerInterfaceOwners
        let interfaces = (0..<500).map {
            port("i\($0)", device: "router-a", owner: owners[$0 % 3], network: "net-\($0)", address: "10.0.0.1")
        }
        let ports = [port("p1", device: "ours", network: "net-499"), port("p2", device: "theirs", network: "other")]
        let client = FakeClient(.success(.array(interfaces)), .success(.array(ports)))
        #expect(try await directory(client).find(routerClaim()) == found("ours"))
        #expect(client.asked.count == 2)
        #expect(client.asked[0].method.arguments["filters"]?["device_id"] == ["router-a"])
        guard case .array(let networks) = client.asked[1].method.arguments["filters"]?["network_id"] else {
            Issue.record("no networks in the second question")
            return
        }
        #expect(networks.count == 500)
        // Both are found in the server's log under one id.
        #expect(client.asked[0].context["request_id"] == client.asked[1].context["request_id"])
    }

    // Neutron's agent then leaves the network out and takes whoever has the address on any network of the cloud.
    @Test(
        arguments: [
            nil, [], [port("g", device: "router-a", owner: "network:router_gateway", network: "external")],
            [port("i", device: "router-b", owner: "network:router_interface")],
        ] as [JSONValue]
    )
    func routerWithoutNetworksNeverCostsASecondCall(interfaces: JSONValue) async throws {
        let client = FakeClient(.success(interfaces), .success([port("p", device: "theirs")]))
        #expect(try await directory(client).find(routerClaim()) == .nobody(.routerWithoutNetworks))
        #expect(client.asked.count == 1)
    }

    @Test func linkLocalGuestIsFoundByItsMAC() async throws {
        let client = FakeClient(
            .success([
                port("p1", device: "theirs", mac: "fa:16:3e:00:00:02"),
                port("p2", device: "ours", mac: "FA:16:3E:7D:1C:3D"),
            ])
        )
        #expect(try await directory(client).find(networkClaim("fe80::f816:3eff:fe7d:1c3d")) == found("ours"))
        #expect(client.asked.first?.method.arguments["filters"]?["mac_address"] == ["fa:16:3e:7d:1c:3d"])
    }

    // A server may ignore a filter it does not know.
    @Test func answerIsComparedAgain() async throws {
        let client = FakeClient(
            .success([
                port("p1", device: "theirs", network: "net-b"), port("p2", device: "theirs", address: "10.0.0.6"),
            ])
        )
        #expect(try await directory(client).find(networkClaim()) == .nobody(.noPort))
    }

    @Test func nullMeansNobody() async throws {
        #expect(try await directory(FakeClient(.success(.null))).find(networkClaim()) == .nobody(.noPort))
        #expect(try await directory(FakeClient(.success([]))).find(networkClaim()) == .nobody(.noPort))
    }

    @Test func twoPortsAreNobody() async throws {
        let client = FakeClient(.success([port("p1", device: "a"), port("p2", device: "b")]))
        #expect(try await directory(client).find(networkClaim()) == .nobody(.severalPorts(count: 2)))
    }

    @Test(
        arguments: [
            "text", 7, true, [:], ["ports"], [["device_id": 7]], [["device_id": "vm", "fixed_ips": "10.0.0.5"]],
            [["device_id": "vm", "fixed_ips": ["10.0.0.5"]]], ["ports": []], [nil],
        ] as [JSONValue]
    )
    func malformedAnswerIsAnError(result: JSONValue) async throws {
        let error = await error(FakeClient(.success(result)), try networkClaim())
        #expect(error?.code == .malformedReply)
    }

    // Juno has no project_id, and a filtered answer may lack anything.
    @Test func missingFieldsAreNoError() async throws {
        let old: JSONValue = [
            [
                "id": "p", "device_id": "ours", "tenant_id": "project-a", "network_id": "net-a",
                "fixed_ips": [["ip_address": "10.0.0.5"]], "mac_address": nil,
            ], [:], ["id": nil],
        ]
        #expect(try await directory(FakeClient(.success(old))).find(networkClaim()) == found("ours"))
    }

    @Test(
        arguments: [
            (.unreachable, .unreachable), (.timeout, .timeout), (.refused, .unavailable), (.blocked, .unavailable),
            (.unroutable, .unavailable), (.overloaded, .unavailable), (.cancelled, .unavailable),
            (.rejected, .unavailable),
            (.misconfigured, .misconfigured), (.noSuchMethod, .misconfigured), (.remoteFailure, .remoteFailure),
            (.malformedReply, .malformedReply),
        ] as [(MessagingError.Code, DirectoryError.Code)]
    )
    func errorsOfTheBusAreErrorsOfTheDirectory(bus: MessagingError.Code, directory: DirectoryError.Code) async throws {
        let client = FakeClient(.failing(bus))
        let error = await error(client, try networkClaim())
        #expect(error?.code == directory)
        #expect(error?.message.hasPrefix("The bus says \(bus.rawValue).") == true)
        #expect(error?.message.contains("auth_url") == (bus == .noSuchMethod))
        #expect(client.asked.count == 1)
    }

    @Test func secondQuestionMayFailToo() async throws {
        let interface = port("i", device: "router-a", owner: "network:router_interface")
        let client = FakeClient(.success([interface]), .failing(.timeout))
        #expect(await error(client, try routerClaim())?.code == .timeout)
        #expect(client.asked.count == 2)
    }
}
