import FoundationEssentials
import Inventory
import Logging
import NovaMetadata
import ServiceLifecycle
import Synchronization
import Testing

@testable import EmbeddedNova

/// The whole server over real sockets on loopback.
@Suite(.timeLimit(.minutes(2))) struct EmbeddedNovaServerTests {
    private static let signed = """
        X-Instance-ID: \(NovaGateTests.id)\r
        X-Instance-ID-Signature: \(NovaGateTests.signature)\r
        X-Tenant-ID: \(NovaGateTests.project)\r
        X-Forwarded-For: 10.0.0.77\r

        """

    private static func request(
        _ line: String,
        headers: String = signed,
        body: String = "",
        last: Bool = true
    ) -> String {
        "\(line) HTTP/1.1\r\nHost: nova\r\n\(headers)\(last ? "Connection: close\r\n" : "")\r\n\(body)"
    }

    private func withServer(
        _ address: EmbeddedNovaServer.Address = .tcp(host: "127.0.0.1", port: 0),
        inventory: (@Sendable () -> Inventory)? = nil,
        logger: Logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
        _ body: (RawClient.Endpoint) async throws -> Void
    ) async throws {
        let lab = try InventoryFile.parse(NovaGateTests.lab, path: "lab.yaml")
        let (ports, listening) = AsyncStream<Int?>.makeStream()
        let server = EmbeddedNovaServer(
            address: address,
            secret: "s3cret",
            inventory: inventory ?? { lab },
            secondsSince1970: { 1_790_000_000 },
            logger: logger,
            onListening: { listening.yield($0) }
        )
        let group = ServiceGroup(configuration: .init(services: [server], logger: logger))
        try await withThrowingTaskGroup { tasks in
            tasks.addTask {
                // Ends the wait below should the server not come up.
                defer { listening.finish() }
                try await group.run()
            }
            for await port in ports {
                let endpoint: RawClient.Endpoint
                switch address {
                case .tcp: endpoint = .tcp(port: port ?? 0)
                case .unix(let path): endpoint = .unix(path: path)
                }
                let outcome: Result<Void, any Error>
                do { outcome = .success(try await body(endpoint)) } catch { outcome = .failure(error) }
                await group.triggerGracefulShutdown()
                try await tasks.waitForAll()
                try outcome.get()
                return
            }
            try await tasks.waitForAll()
            Issue.record("the server did not start")
        }
    }

    @Test func answersLikeNova() async throws {
        try await withServer { server in
            let answer = try await RawClient.exchange(server, Self.request("GET /latest/meta-data/local-ipv4"))
            let parts = answer.components(separatedBy: "\r\n\r\n")
            let head = parts[0].lowercased().components(separatedBy: "\r\n")
            #expect(head.first == "http/1.1 200 ok")
            #expect(head.contains("content-type: text/plain; charset=utf-8"))
            #expect(head.contains("content-length: 9"))
            #expect(head.contains { $0.hasPrefix("date: ") && $0.hasSuffix(" gmt") })
            #expect(parts[1] == "10.0.0.77")
        }
    }

    @Test func keepsConnectionsOpen() async throws {
        try await withServer { server in
            let answer = try await RawClient.exchange(
                server,
                Self.request("GET /latest/meta-data/ami-launch-index", last: false)
                    + Self.request("GET /nowhere", last: false)
                    + Self.request("GET /latest/")
            )
            #expect(answer.components(separatedBy: "HTTP/1.1 200 OK").count == 3)
            #expect(answer.components(separatedBy: "HTTP/1.1 404 Not Found").count == 2)
            #expect(answer.hasSuffix("meta-data/\nuser-data"))
        }
    }

    @Test func headHasTheHeadersOfGet() async throws {
        try await withServer { server in
            for (path, line) in [("/latest/", "200 OK"), ("/none", "404 Not Found")] {
                let get = try await RawClient.exchange(server, Self.request("GET \(path)"))
                let head = try await RawClient.exchange(server, Self.request("HEAD \(path)"))
                let shared = { (text: String) in
                    text.components(separatedBy: "\r\n\r\n")[0].components(separatedBy: "\r\n")
                        .filter { !$0.lowercased().hasPrefix("date:") }
                }
                #expect(shared(head) == shared(get))
                #expect(head.hasPrefix("HTTP/1.1 \(line)"))
                #expect(head.hasSuffix("\r\n\r\n"))
                #expect(!get.hasSuffix("\r\n\r\n"))
            }
        }
    }

    @Test func listOfVersionsNeedsNoHeaders() async throws {
        try await withServer { server in
            for method in ["GET", "POST", "DELETE"] {
                let answer = try await RawClient.exchange(
                    server,
                    Self.request("\(method) /?x", headers: "Content-Length: 0\r\n")
                )
                #expect(answer.hasPrefix("HTTP/1.1 200 OK"))
                #expect(
                    answer.hasSuffix(
                        "\r\n\r\n1.0\n2007-01-19\n2007-03-01\n2007-08-29\n2007-10-10\n2007-12-15\n"
                            + "2008-02-01\n2008-09-01\n2009-04-04\nlatest"
                    )
                )
            }
        }
    }

    @Test(arguments: [
        ("", "400 Bad Request", "X-Instance-ID header is missing from request.\n"),
        (signed.replacing("cc9e", with: "cc9f"), "403 Forbidden", "Invalid proxy request signature.\n"),
        (signed.replacing("7766", with: "7767"), "404 Not Found", "The resource could not be found.\n"),
        (signed + "X-Metadata-Provider: p\r\n", "400 Bad Request", "X-Metadata-Provider is not supported.\n"),
        // A second value can only make things worse.
        (signed + "X-Tenant-ID: p\r\n", "404 Not Found", "The resource could not be found.\n"),
        (signed + "X-Instance-ID: i\r\n", "403 Forbidden", "Invalid proxy request signature.\n"),
    ])
    func refusalsAreOnePlainLine(headers: String, status: String, text: String) async throws {
        try await withServer { server in
            let answer = try await RawClient.exchange(server, Self.request("GET /latest/", headers: headers))
            #expect(answer.hasPrefix("HTTP/1.1 \(status)\r\n"))
            #expect(answer.contains("text/plain; charset=UTF-8\r\n"))
            #expect(answer.hasSuffix("\r\n\r\n\(text)"))
        }
    }

    @Test func binaryUserDataArrivesAsItIs() async throws {
        try await withServer { server in
            let answer = try await RawClient.exchange(server, Self.request("GET /openstack/latest/user_data"))
            #expect(answer.hasSuffix("\r\n\r\n\u{1F}\u{8B}\u{8}\u{FF}\u{C3}"))
        }
    }

    @Test func passwordGoesThroughItsStates() async throws {
        func post(_ framing: String, _ body: String) -> String {
            Self.request("POST /openstack/latest/password", headers: Self.signed + framing, body: body)
        }
        try await withServer { server in
            let get = Self.request("GET /openstack/latest/password")
            let tooLong = String(repeating: "a", count: 1021)
            var answer = try await RawClient.exchange(server, get)
            #expect(answer.hasPrefix("HTTP/1.1 200 OK") && answer.hasSuffix("\r\n\r\n"))
            answer = try await RawClient.exchange(server, post("", ""))
            #expect(answer.hasPrefix("HTTP/1.1 411 Length Required"))
            answer = try await RawClient.exchange(server, post("Content-Length: 1021\r\n", tooLong))
            #expect(answer.hasPrefix("HTTP/1.1 400 ") && answer.hasSuffix("\r\n\r\nRequest is too large.\n"))
            answer = try await RawClient.exchange(
                server,
                post("Transfer-Encoding: chunked\r\n", "3fd\r\n\(tooLong)\r\n0\r\n\r\n")
            )
            #expect(answer.hasPrefix("HTTP/1.1 400 ") && answer.hasSuffix("\r\n\r\nRequest is too large.\n"))
            answer = try await RawClient.exchange(server, get)
            #expect(answer.hasSuffix("\r\n\r\n"))
            answer = try await RawClient.exchange(
                server,
                post("Transfer-Encoding: chunked\r\n", "4\r\nc2Vj\r\n4\r\ncmV0\r\n0\r\n\r\n")
            )
            #expect(answer.hasPrefix("HTTP/1.1 200 OK"))
            answer = try await RawClient.exchange(server, get)
            #expect(answer.hasSuffix("\r\n\r\nc2VjcmV0"))
            answer = try await RawClient.exchange(server, post("Content-Length: 1\r\n", "x"))
            #expect(answer.hasPrefix("HTTP/1.1 409 Conflict"))
            answer = try await RawClient.exchange(server, Self.request("PUT /openstack/latest/password"))
            #expect(answer.hasPrefix("HTTP/1.1 400 "))
        }
    }

    /// What is left of a body that was too large must not be taken for the next request.
    @Test func connectionSurvivesABodyThatIsNotKept() async throws {
        try await withServer { server in
            let body = String(repeating: "GET /latest/ HTTP/1.1\r\n\r\n", count: 8000)
            let answer = try await RawClient.exchange(
                server,
                Self.request(
                    "POST /openstack/latest/password",
                    headers: Self.signed + "Content-Length: \(body.utf8.count)\r\n",
                    body: body,
                    last: false
                ) + Self.request("GET /latest/")
            )
            #expect(answer.components(separatedBy: "HTTP/1.1 ").count == 3)
            #expect(answer.hasSuffix("meta-data/\nuser-data"))
        }
    }

    @Test func reloadShowsAtTheNextRequest() async throws {
        let lab = Mutex(try InventoryFile.parse(NovaGateTests.lab, path: "lab.yaml"))
        try await withServer(inventory: { lab.withLock { $0 } }) { server in
            let request = Self.request("GET /latest/meta-data/hostname")
            #expect(try await RawClient.exchange(server, request).hasSuffix("\r\n\r\nweb.novalocal"))
            let other = NovaGateTests.lab.replacing("web:", with: "renamed:")
            try lab.withLock { $0 = try InventoryFile.parse(other, path: "lab.yaml") }
            #expect(try await RawClient.exchange(server, request).hasSuffix("\r\n\r\nrenamed.novalocal"))
        }
    }

    @Test func unixSocketIsServedAndRemoved() async throws {
        let path = FileManager.default.temporaryDirectory.path + "/bellhop-\(UUID().uuidString.prefix(8)).sock"
        try await withServer(.unix(path: path)) { server in
            let answer = try await RawClient.exchange(server, Self.request("GET /latest/"))
            #expect(answer.hasSuffix("meta-data/\nuser-data"))
        }
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test func addressInUseIsAnError() async throws {
        let lab = try InventoryFile.parse(NovaGateTests.lab, path: "lab.yaml")
        try await withServer { server in
            guard case .tcp(let port) = server else { return }
            let second = EmbeddedNovaServer(
                address: .tcp(host: "127.0.0.1", port: port),
                secret: "",
                inventory: { lab },
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            )
            await #expect(throws: (any Error).self) { try await second.run() }
        }
    }

    /// At every level, and with requests of every kind.
    @Test func logHoldsNoSecretSignatureOrBody() async throws {
        let lines = LogLines()
        var logger = Logger(label: "test") { _ in lines.handler }
        logger.logLevel = .trace
        try await withServer(logger: logger) { server in
            let post = Self.signed + "Content-Length: 4\r\n"
            for request in [
                Self.request("POST /openstack/latest/password", headers: post, body: "PASS"),
                Self.request("GET /openstack/latest/user_data"),
                Self.request("GET /latest/", headers: Self.signed.replacing("cc9e", with: "cc9f")),
                Self.request("GET /latest/", headers: Self.signed.replacing("7766", with: "7767")),
            ] {
                _ = try await RawClient.exchange(server, request)
            }
        }
        let text = lines.text
        #expect(text.contains("Answered a metadata request"))
        #expect(text.contains("metadata_proxy_shared_secret"))
        for secret in ["s3cret", "a129963ef3ae923155de6b6b84e252a6f710cdd4df99ef59b1ceb4e1", "PASS"] {
            #expect(!text.contains(secret))
        }
    }
}
