import Foundation
import Glibc
import RelayLoop
import Testing

@testable import NovaBackend

/// Against a real server: Python's ssl module on loopback. Serialised, because each test starts a process and
/// waits for its own connection on a thread of the test pool.
@Suite(.serialized, .timeLimit(.minutes(2))) struct OpenSSLChannelTests {
    private let certificates: Certificates

    init() throws {
        certificates = try Certificates.shared()
    }

    private func factory(
        _ host: String = "nova.test",
        port: UInt16,
        _ change: (inout TLSOptions) -> Void = { _ in }
    ) throws -> OpenSSLChannelFactory {
        var options = TLSOptions(authorities: certificates.path("ca.pem"))
        change(&options)
        let endpoint = try BackendEndpoint(scheme: "https", host: host, port: Int(port))
        return try OpenSSLChannelFactory(endpoint: endpoint, options: options)
    }

    /// One connection to `server`, asked for nothing yet.
    private func connection(_ server: TLSServer, _ factory: OpenSSLChannelFactory) throws -> TestConnection {
        let descriptor = try server.connect()
        return TestConnection(
            descriptor: descriptor,
            channel: try #require(factory.openChannel(descriptor: descriptor))
        )
    }

    /// What the server knows about a connection.
    private func info(_ server: TLSServer, _ factory: OpenSSLChannelFactory) throws -> String {
        let connection = try connection(server, factory)
        #expect(connection.handshake() == .done)
        try connection.send("INFO\n")
        let (bytes, end) = connection.receiveAll()
        #expect(end == .endOfStream)
        connection.channel.shutDown()
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The sentence of a handshake that must fail.
    private func sentence(_ server: TLSServer, _ factory: OpenSSLChannelFactory) throws -> String {
        guard case .failed(let sentence) = try connection(server, factory).handshake() else { return "no failure" }
        return sentence
    }

    // MARK: - Whom we trust

    @Test(arguments: ["TLSv1_2", "TLSv1_3"])
    func certificateOfTheRightAuthorityAndNameIsAccepted(version: String) throws {
        let server = try TLSServer(certificates, .init(version: version))
        let info = try info(server, factory(port: server.port))
        #expect(info == "\(version.replacing("_", with: ".")) sni=nova.test client=None resumed=False")
    }

    @Test func directoryOfAuthoritiesIsAccepted() throws {
        let server = try TLSServer(certificates)
        let directory = certificates.path("rehashed")
        #expect(try info(server, factory(port: server.port) { $0.authorities = directory }).contains("sni=nova.test"))
    }

    /// The operator put exactly this certificate into the file, so no authority above it is needed.
    @Test func serversOwnCertificateMayBeTheAuthority() throws {
        let server = try TLSServer(certificates)
        let file = certificates.path("good.pem")
        #expect(try info(server, factory(port: server.port) { $0.authorities = file }).contains("sni=nova.test"))
    }

    /// LP 1796593 and the certificates of clouds without DNS: an address is looked for among the IP SANs.
    @Test(arguments: ["127.0.0.1", "::1", "[::1]"])
    func addressInTheCertificateIsAcceptedWithoutSNI(host: String) throws {
        let server = try TLSServer(certificates)
        #expect(try info(server, factory(host, port: server.port)).contains("sni=None"))
    }

    @Test func unknownAuthorityIsRefused() throws {
        let server = try TLSServer(certificates)
        let other = certificates.path("otherca.pem")
        #expect(
            try sentence(server, factory(port: server.port) { $0.authorities = other })
                == "TLS to nova.test:\(server.port) failed: its certificate is not signed by an authority in"
                + " auth_ca_cert (\(other))"
        )
    }

    @Test func systemsAuthoritiesAreAskedWithoutAuthCACert() throws {
        let server = try TLSServer(certificates)
        #expect(
            try sentence(server, factory(port: server.port) { $0.authorities = nil })
                .hasSuffix("unknown to this host; set auth_ca_cert to the authority's file")
        )
    }

    @Test(arguments: ["nova.test", "192.0.2.2", "127.0.0.1", "sub.elsewhere.test"])
    func certificateForAnotherNameIsRefused(host: String) throws {
        let server = try TLSServer(certificates, .init(certificate: "name"))
        let sentence = try sentence(server, factory(host, port: server.port))
        #expect(sentence.hasPrefix("TLS to \(host):\(server.port) failed: its certificate is for another name"))
    }

    @Test func expiredCertificateIsRefused() throws {
        let server = try TLSServer(certificates, .init(certificate: "expired"))
        #expect(try sentence(server, factory(port: server.port)).contains("has expired"))
    }

    @Test(arguments: ["name", "expired"]) func insecureAcceptsAnything(certificate: String) throws {
        let server = try TLSServer(certificates, .init(certificate: certificate))
        let factory = try factory(port: server.port) {
            $0.isInsecure = true
            $0.authorities = nil
        }
        #expect(try info(server, factory).contains("sni=nova.test"))
    }

    @Test func serverWithTLS11OnlyIsRefused() throws {
        let server = try TLSServer(certificates, .init(version: "TLSv1_1"))
        #expect(try sentence(server, factory(port: server.port)).hasSuffix("offers no TLS version from 1.2 on"))
    }

    @Test func serverWithoutTLSIsNamedAsSuch() throws {
        let server = try TLSServer(certificates, .init(isPlain: true))
        #expect(try sentence(server, factory(port: server.port)).contains("set nova_metadata_protocol = http"))
    }

    // MARK: - Who we are

    @Test(arguments: ["TLSv1_2", "TLSv1_3"]) func clientCertificateIsSentWhenBothFilesAreSet(version: String) throws {
        let server = try TLSServer(certificates, .init(clientAuthority: "ca", version: version))
        let factory = try factory(port: server.port) {
            $0.clientCertificate = certificates.path("client.pem")
            $0.clientKey = certificates.path("client.key")
        }
        #expect(try info(server, factory).contains("client=client"))
    }

    /// Neutron sends nothing unless both are set. TLS 1.2 refuses within the handshake, TLS 1.3 after it.
    @Test(arguments: ["TLSv1_2", "TLSv1_3"]) func missingClientCertificateIsExplained(version: String) throws {
        let server = try TLSServer(certificates, .init(clientAuthority: "ca", version: version))
        let factory = try factory(port: server.port) { $0.clientCertificate = certificates.path("client.pem") }
        let sentence = try refusal(server, factory)
        #expect(sentence.contains("wants a client certificate") && sentence.contains("nova_client_cert"))
    }

    @Test(arguments: ["TLSv1_2", "TLSv1_3"]) func refusedClientCertificateIsExplained(version: String) throws {
        let server = try TLSServer(certificates, .init(clientAuthority: "ca", version: version))
        let factory = try factory(port: server.port) {
            $0.clientCertificate = certificates.path("stranger.pem")
            $0.clientKey = certificates.path("stranger.key")
        }
        #expect(try refusal(server, factory).contains("refused our client certificate"))
    }

    /// How a server turns us down, in the handshake or behind it.
    private func refusal(_ server: TLSServer, _ factory: OpenSSLChannelFactory) throws -> String {
        let connection = try connection(server, factory)
        switch connection.handshake() {
        case .failed(let sentence): return sentence
        case .pending: return "still pending"
        case .done:
            let (_, end) = connection.receiveAll()
            #expect(end == .failed(code: EPROTO))
            return connection.channel.failureSentence ?? "no sentence"
        }
    }

    // MARK: - Bytes

    @Test(arguments: ["TLSv1_2", "TLSv1_3"]) func largeAnswerArrivesWhole(version: String) throws {
        let server = try TLSServer(certificates, .init(version: version))
        let connection = try connection(server, factory(port: server.port))
        #expect(connection.handshake() == .done)
        try connection.send("GET 3000001\n")
        let (bytes, end) = connection.receiveAll()
        #expect(bytes == pattern(3_000_001))
        #expect(end == .endOfStream)
        #expect(connection.waits > 0)
    }

    @Test func largeRequestArrivesWholeInParts() throws {
        let server = try TLSServer(certificates)
        let connection = try connection(server, factory(port: server.port))
        #expect(connection.handshake() == .done)
        let body = pattern(3_000_001)
        try connection.send("PUT \(body.count)\n")
        try connection.send(body)
        // Both must have happened, or the test did not meet what it is for.
        #expect(connection.partialWrites > 0)
        #expect(connection.waits > 0)
        let (bytes, _) = connection.receiveAll()
        #expect(String(decoding: bytes, as: UTF8.self) == String(crc32(body)))
    }

    @Test func bothDirectionsAtOnce() throws {
        let server = try TLSServer(certificates)
        let connection = try connection(server, factory(port: server.port))
        #expect(connection.handshake() == .done)
        let body = pattern(1_000_003)
        try connection.send("BOTH \(body.count)\n")
        let (bytes, end) = try connection.exchange(body)
        #expect(Array(bytes.prefix(body.count)) == body)
        #expect(String(decoding: bytes.dropFirst(body.count), as: UTF8.self) == String(crc32(body)))
        #expect(end == .endOfStream)
    }

    @Test func cutIsAFailureAndNotTheEnd() throws {
        let server = try TLSServer(certificates)
        let connection = try connection(server, factory(port: server.port))
        #expect(connection.handshake() == .done)
        try connection.send("CUT\n")
        let (bytes, end) = connection.receiveAll()
        #expect(String(decoding: bytes, as: UTF8.self) == "half an answer")
        #expect(end == .failed(code: EPROTO))
        #expect(connection.channel.failureSentence?.hasSuffix("without TLS's closing message") == true)
        #expect(connection.read() == .failed(code: EPROTO))
    }

    @Test func endIsSaidAgainAndAgain() throws {
        let server = try TLSServer(certificates)
        let connection = try connection(server, factory(port: server.port))
        #expect(connection.handshake() == .done)
        try connection.send("END\n")
        #expect(connection.receiveAll().end == .endOfStream)
        #expect(connection.read() == .endOfStream)
    }

    @Test func serverThatHangsUpDuringTheHandshakeIsAFailure() throws {
        var pair: [CInt] = [0, 0]
        #expect(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &pair) == 0)
        let channel = try #require(factory(port: 8775).openChannel(descriptor: pair[0]))
        defer { close(pair[0]) }
        shutdown(pair[1], CInt(SHUT_WR))
        #expect(
            channel.handshake()
                == .failed(
                    "TLS to nova.test:8775 failed: the server closed the connection without TLS's closing message"
                )
        )
        close(pair[1])
    }

    /// With OpenSSL's own socket BIO this would end the test process.
    @Test func writingToAGoneServerRaisesNoSignal() throws {
        let server = try TLSServer(certificates)
        let before = signal(SIGPIPE, SIG_DFL)
        defer { signal(SIGPIPE, before) }
        let connection = try connection(server, factory(port: server.port))
        #expect(connection.handshake() == .done)
        shutdown(connection.descriptor, CInt(SHUT_WR))
        #expect(connection.write(pattern(100)) == .failed(code: EPIPE))
        #expect(connection.channel.failureSentence?.hasSuffix("Broken pipe") == true)
    }

    // MARK: - Life cycle

    @Test func nothingMovesBeforeTheHandshakeOrAfterTheEnd() throws {
        let server = try TLSServer(certificates)
        let connection = try connection(server, factory(port: server.port))
        #expect(connection.read() == .wouldBlock)
        #expect(connection.write(pattern(1)) == .wouldBlock)
        #expect(connection.handshake() == .done)
        connection.channel.shutDown()
        connection.channel.shutDown()
        #expect(connection.read() == .failed(code: EBADF))
        #expect(connection.write(pattern(1)) == .failed(code: EBADF))
        #expect(connection.channel.handshake() == .failed("the TLS connection is closed"))
    }

    @Test func forgottenChannelDoesNotTouchItsSocket() throws {
        var pair: [CInt] = [0, 0]
        #expect(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue), 0, &pair) == 0)
        defer { pair.forEach { close($0) } }
        do {
            let channel = try #require(factory(port: 8775).openChannel(descriptor: pair[0]))
            #expect(channel.handshake() == .pending)
        }
        var hello = [UInt8](repeating: 0, count: 8192)
        #expect(recv(pair[1], &hello, hello.count, 0) > 0)
        #expect(recv(pair[1], &hello, hello.count, 0) == -1 && errno == EAGAIN)
    }

    /// A connection object weighs some 10 kB, so a leak of every one would be 20 MB here.
    @Test func endedConnectionsLeaveNoMemory() throws {
        let factory = try factory(port: 8775)
        func connections(_ count: Int) throws {
            for index in 0..<count {
                var pair: [CInt] = [0, 0]
                #expect(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_NONBLOCK.rawValue), 0, &pair) == 0)
                defer { pair.forEach { close($0) } }
                let channel = try #require(factory.openChannel(descriptor: pair[0]))
                #expect(channel.handshake() == .pending)
                if index % 2 == 0 { channel.shutDown() }
            }
        }
        try connections(200)
        let before = try residentBytes()
        try connections(2_000)
        #expect(try residentBytes() - before < 4_000_000)
    }

    private func residentBytes() throws -> Int {
        let fields = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
        return try #require(Int(fields[1])) * sysconf(CInt(_SC_PAGESIZE))
    }

    @Test(arguments: ["TLSv1_2", "TLSv1_3"]) func nextConnectionResumesTheSession(version: String) throws {
        let server = try TLSServer(certificates, .init(version: version))
        let factory = try factory(port: server.port)
        #expect(try info(server, factory).hasSuffix("resumed=False"))
        for _ in 0..<3 { #expect(try info(server, factory).hasSuffix("resumed=True")) }
    }

    @Test func sessionsAreNotResumedIfNotWanted() throws {
        let server = try TLSServer(certificates)
        let factory = try factory(port: server.port) { $0.reusesSessions = false }
        for _ in 0..<2 { #expect(try info(server, factory).hasSuffix("resumed=False")) }
    }

    @Test func sessionOfAnotherServerMeansAFullHandshake() throws {
        let first = try TLSServer(certificates)
        let second = try TLSServer(certificates)
        let factory = try factory(port: first.port)
        for server in [first, second, first] { #expect(try info(server, factory).hasSuffix("resumed=False")) }
    }

    /// One factory serves all relay loops.
    @Test func manyThreadsShareOneFactory() async throws {
        let server = try TLSServer(certificates)
        let factory = try factory(port: server.port)
        let port = server.port
        try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<4 {
                let descriptors = try (0..<8).map { _ in try server.connect() }
                group.addTask {
                    descriptors.allSatisfy { descriptor in
                        guard let channel = factory.openChannel(descriptor: descriptor) else { return false }
                        let connection = TestConnection(descriptor: descriptor, channel: channel)
                        guard connection.handshake() == .done, (try? connection.send("GET 70000\n")) != nil else {
                            return false
                        }
                        let (bytes, end) = connection.receiveAll()
                        channel.shutDown()
                        return bytes == pattern(70_000) && end == .endOfStream
                    }
                }
            }
            for try await isWhole in group { #expect(isWhole, "port \(port)") }
        }
    }
}
