import Foundation
import InMemoryLogging
import Logging
import MetadataModel
import NIOSSL
import Synchronization
import TestSupport
import Testing

@testable import NeutronREST

/// Keystone (v2.0 and v3) and Neutron on one loopback port, a manual clock, and the directory under test.
///
/// Keystone is at `/identity`, Neutron at `/networking`. Each login gives `token-1`, `token-2`, … and only the
/// last one is good. A test changes `state`, or answers some requests itself by `instead`.
final class FakeCloud: Sendable {
    struct State: Sendable {
        var logins = 0
        var isTokenGood = true
        var roles = ["admin"]
        /// Seconds a token lives.
        var lifetime: Int? = 3_600
        /// Interface, region, URL; the default is one admin endpoint.
        var endpoints: [(interface: String, region: String, url: String)]?
        var hasCatalog = true
        /// Neutron's answers by query; otherwise an empty list.
        var pages: [String: String] = [:]
        var instead: (@Sendable (FakeServer.Request) -> FakeServer.Reply?)?
    }

    static let password = #"p"\'$$ä%€ word"#
    static let wallClock: Int64 = 1_700_000_000

    let server: FakeServer
    let clock = ManualClock()
    let log: InMemoryLogHandler
    let state: Shared

    /// Shared with the server's handlers.
    final class Shared: Sendable {
        private let mutex = Mutex(State())

        func change<Result: Sendable>(_ body: (inout State) -> Result) -> Result {
            mutex.withLock { state in body(&state) }
        }
    }

    private init(server: FakeServer, state: Shared) {
        self.server = server
        self.state = state
        var log = InMemoryLogHandler()
        log.logLevel = .trace
        self.log = log
    }

    static func run(tls: NIOSSLContext? = nil, _ body: (FakeCloud) async throws -> Void) async throws {
        let state = Shared()
        try await FakeServer.run(tls: tls, answer: { answer($0, $1, state) }) { server in
            try await body(FakeCloud(server: server, state: state))
        }
    }

    var authURL: String { server.url + "/identity" }

    var settings: RESTSettings {
        var settings = RESTSettings(authURL: authURL, user: "neutron", password: Self.password, tenantName: "service")
        settings.requestTimeout = .seconds(20)
        return settings
    }

    /// The directory under test, which is shut down afterwards.
    func directory<Result>(
        _ change: (inout RESTSettings) -> Void = { _ in },
        _ body: (NeutronRESTDirectory) async throws -> Result
    ) async throws -> Result {
        var settings = settings
        change(&settings)
        let logger = Logger(label: "test") { _ in log }
        let directory = try NeutronRESTDirectory(
            settings: settings,
            clock: clock,
            secondsSince1970: { Self.wallClock },
            logger: logger
        )
        do {
            let result = try await body(directory)
            await directory.shutdown()
            return result
        } catch {
            await directory.shutdown()
            throw error
        }
    }

    var loginRequests: [FakeServer.Request] { server.requests.filter { $0.method == "POST" } }

    var portRequests: [FakeServer.Request] { server.requests.filter { $0.path.hasSuffix("/ports") } }

    var warnings: [String] { log.entries.filter { $0.level >= .warning }.map { "\($0.message)" } }

    // MARK: Answers

    private static func answer(_ request: FakeServer.Request, _ server: FakeServer, _ shared: Shared)
        -> FakeServer.Reply
    {
        if let reply = shared.change({ $0.instead })?(request) { return reply }
        switch (request.method, request.path) {
        case ("GET", "/identity/"): return .respond(300, versions(["v3.14", "v2.0"]))
        case ("POST", "/identity/v3/auth/tokens"):
            return shared.change { state in
                state.logins += 1
                return .respond(201, v3(state, server), headers: ["X-Subject-Token": "token-\(state.logins)"])
            }
        case ("POST", "/identity/v2.0/tokens"):
            return shared.change { state in
                state.logins += 1
                return .respond(200, v2(state, server))
            }
        case ("GET", "/networking/v2.0/ports"):
            return shared.change { state in
                guard state.isTokenGood, request.headers["x-auth-token"] == "token-\(state.logins)" else {
                    return .respond(
                        401,
                        #"{"error": {"message": "The request you have made requires authentication."}}"#
                    )
                }
                return .respond(200, state.pages[request.query] ?? #"{"ports": []}"#)
            }
        default: return .respond(404, "no such page")
        }
    }

    static func versions(_ ids: [String]) -> String {
        let values = ids.map { #"{"id": "\#($0)", "status": "stable", "links": [{"rel": "self", "href": "x"}]}"# }
        return #"{"versions": {"values": [\#(values.joined(separator: ", "))]}}"#
    }

    private static func endpoints(_ state: State, _ server: FakeServer) -> [(String, String, String)] {
        state.endpoints ?? [("admin", "RegionOne", server.url + "/networking")]
    }

    /// Keystone's clock is half a year behind ours; only the difference of its two times counts.
    private static func times(_ state: State) -> (issued: String, expires: String?) {
        let issued = Date(timeIntervalSince1970: Double(wallClock) - 15_000_000)
        let expires = state.lifetime.map { issued.addingTimeInterval(Double($0)).ISO8601Format() }
        return (issued.ISO8601Format(), expires)
    }

    private static func v3(_ state: State, _ server: FakeServer) -> String {
        let endpoints = endpoints(state, server).map {
            #"{"interface": "\#($0.0)", "region_id": "\#($0.1)", "region": "\#($0.1)", "url": "\#($0.2)"}"#
        }
        let times = times(state)
        let expires = times.expires.map { #""expires_at": "\#($0)","# } ?? ""
        let catalog = """
            [{"type": "identity", "endpoints": [
               {"interface": "admin", "region_id": "RegionOne", "url": "http://wrong"}]},
             {"type": "network", "name": "neutron", "endpoints": [\(endpoints.joined(separator: ", "))]}]
            """
        return """
            {"token": {"methods": ["password"], "issued_at": "\(times.issued)", \(expires)
             "roles": [\(state.roles.map { #"{"id": "x", "name": "\#($0)"}"# }.joined(separator: ", "))],
             "catalog": \(state.hasCatalog ? catalog : "[]")}}
            """
    }

    private static func v2(_ state: State, _ server: FakeServer) -> String {
        let endpoints = endpoints(state, server).map {
            #"{"region": "\#($0.1)", "\#($0.0)URL": "\#($0.2)"}"#
        }
        let times = times(state)
        let expires = times.expires.map { #","expires": "\#($0)""# } ?? ""
        let catalog = """
            [{"type": "identity", "endpoints": []},
             {"type": "network", "endpoints": [\(endpoints.joined(separator: ", "))]}]
            """
        return """
            {"access": {"token": {"id": "token-\(state.logins)", "issued_at": "\(times.issued)" \(expires),
              "tenant": {"id": "t"}},
             "user": {"name": "neutron",
               "roles": [\(state.roles.map { #"{"name": "\#($0)"}"# }.joined(separator: ", "))]},
             "serviceCatalog": \(state.hasCatalog ? catalog : "[]")}}
            """
    }
}

/// Ports as Neutron prints them.
func portJSON(
    _ id: String,
    device: String = "vm",
    owner: String = "compute:nova",
    network: String = "net-a",
    address: String = "10.0.0.5"
) -> String {
    """
    {"id": "\(id)", "device_id": "\(device)", "device_owner": "\(owner)", "tenant_id": "project-a",
     "project_id": "project-a", "network_id": "\(network)", "mac_address": "fa:16:3e:00:00:05",
     "fixed_ips": [{"subnet_id": "s", "ip_address": "\(address)"}]}
    """
}

func pageJSON(_ ports: [String], next: String? = nil) -> String {
    let links = next.map { #", "ports_links": [{"rel": "previous", "href": "x"}, {"rel": "next", "href": "\#($0)"}]"# }
    return #"{"ports": [\#(ports.joined(separator: ", "))]\#(links ?? "")}"#
}

let addressQuery = "fixed_ips=ip_address%3D10.0.0.5"
let routerQuery = """
    device_id=router-a&device_owner=network%3Arouter_interface\
    &device_owner=network%3Arouter_interface_distributed&device_owner=network%3Aha_router_replicated_interface
    """

func networkClaim() throws -> Claim {
    Claim(scope: .network(try #require(ResourceID("net-a"))), subject: .fixedIP(.v4(0x0A00_0005)))
}

func routerClaim() throws -> Claim {
    Claim(scope: .router(try #require(ResourceID("router-a"))), subject: .fixedIP(.v4(0x0A00_0005)))
}
