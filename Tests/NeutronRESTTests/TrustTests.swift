import Foundation
import InstanceDirectory
import MetadataModel
import NIOSSL
import Testing

@testable import NeutronREST

/// TLS with a private authority, made anew by the `openssl` program for each test.
@Suite(.timeLimit(.minutes(2)), .enabled(if: PrivateAuthority.isPossible, "the openssl program is missing"))
struct TrustTests {
    private func code(_ body: () async throws -> some Any) async -> DirectoryError.Code? {
        do {
            _ = try await body()
            return nil
        } catch {
            return (error as? DirectoryError)?.code
        }
    }

    @Test func privateAuthorityIsTrustedByItsFileAlone() async throws {
        try await PrivateAuthority.with(subjectAltName: "IP:127.0.0.1") { authority in
            try await FakeCloud.run(tls: authority.serverContext()) { cloud in
                let finding = try await cloud.directory({ $0.caFile = authority.caFile }) {
                    try await $0.find(networkClaim())
                }
                #expect(finding == .nobody(.noPort))

                try await cloud.directory { directory in
                    #expect(await code { try await directory.find(networkClaim()) } == .misconfigured)
                }
                let unchecked = try await cloud.directory({ $0.insecure = true }) { try await $0.find(networkClaim()) }
                #expect(unchecked == .nobody(.noPort))
            }
        }
    }

    @Test func certificateForAnotherAddressIsRefused() async throws {
        try await PrivateAuthority.with(subjectAltName: "IP:127.0.0.2,DNS:localhost") { authority in
            try await FakeCloud.run(tls: authority.serverContext()) { cloud in
                try await cloud.directory({ $0.caFile = authority.caFile }) { directory in
                    #expect(await code { try await directory.find(networkClaim()) } == .misconfigured)
                }
                #expect(cloud.server.requests.isEmpty)
            }
        }
    }

    @Test func plainServerBehindAnHTTPSAddressIsAnErrorOfNoUse() async throws {
        try await FakeCloud.run { cloud in
            try await cloud.directory({ $0.authURL = cloud.authURL.replacing("http:", with: "https:") }) { directory in
                #expect(await code { try await directory.find(networkClaim()) } == .misconfigured)
            }
        }
    }
}

/// A certificate authority and one server certificate in a temporary folder.
private struct PrivateAuthority {
    private static let openssl = "/usr/bin/openssl"

    static var isPossible: Bool { FileManager.default.isExecutableFile(atPath: openssl) }

    private let folder: URL

    var caFile: String { folder.appending(path: "ca.pem").path }

    static func with(subjectAltName: String, _ body: (PrivateAuthority) async throws -> Void) async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "bellhop-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let authority = PrivateAuthority(folder: folder)
        try authority.run(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=TestAuthority",
            "-keyout ca.key -out ca.pem"
        )
        try authority.run(
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=server",
            "-addext subjectAltName=\(subjectAltName)",
            "-keyout server.key -out server.csr"
        )
        try authority.run(
            "x509 -req -days 2 -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -copy_extensions copy",
            "-out server.pem"
        )
        try await body(authority)
    }

    func serverContext() throws -> NIOSSLContext {
        let chain = try NIOSSLCertificate.fromPEMFile(folder.appending(path: "server.pem").path)
        let key = try NIOSSLPrivateKey(file: folder.appending(path: "server.key").path, format: .pem)
        let configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) },
            privateKey: .privateKey(key)
        )
        return try NIOSSLContext(configuration: configuration)
    }

    private func run(_ arguments: String...) throws {
        let process = Process()
        process.executableURL = URL(filePath: Self.openssl)
        process.arguments = arguments.flatMap { $0.split(separator: " ").map(String.init) }
        process.currentDirectoryURL = folder
        process.standardError = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "openssl \(arguments.joined(separator: " "))")
    }
}
