import Foundation
import Testing

@testable import NovaBackend

@Suite struct TLSConfigurationTests {
    private let certificates: Certificates

    init() throws {
        certificates = try Certificates.shared()
    }

    private func error(_ options: TLSOptions) throws -> TLSConfigurationError? {
        let endpoint = try BackendEndpoint(scheme: "https", host: "nova.test", port: 8775)
        do {
            _ = try OpenSSLChannelFactory(endpoint: endpoint, options: options)
            return nil
        } catch {
            return error
        }
    }

    private func identity(_ certificate: String, _ key: String) -> TLSOptions {
        TLSOptions(clientCertificate: certificates.path(certificate), clientKey: certificates.path(key))
    }

    @Test func matchingFilesAreAccepted() throws {
        var options = identity("client.pem", "client.key")
        options.authorities = certificates.path("ca.pem")
        #expect(try error(options) == nil)
        #expect(try error(TLSOptions()) == nil)
    }

    @Test func missingAuthorityFileIsNamed() throws {
        let file = certificates.path("nowhere.pem")
        let error = try #require(try error(TLSOptions(authorities: file)))
        #expect(error.code == .authoritiesUnusable)
        #expect("\(error)" == "auth_ca_cert \(file): No such file or directory")
    }

    @Test func rubbishAsAuthorityIsNamed() throws {
        let error = try #require(try error(TLSOptions(authorities: certificates.path("rubbish.pem"))))
        #expect(error.code == .authoritiesUnusable)
        #expect(error.reason == "the file holds no usable certificate in PEM form (no certificate or crl found)")
    }

    @Test func authorityFileIsNotReadWhenInsecure() throws {
        #expect(try error(TLSOptions(authorities: certificates.path("nowhere.pem"), isInsecure: true)) == nil)
    }

    @Test func missingClientFilesAreNamed() throws {
        let certificate = try #require(try error(identity("nowhere.pem", "client.key")))
        #expect(certificate.code == .certificateUnusable)
        #expect("\(certificate)".hasPrefix("nova_client_cert \(certificates.path("nowhere.pem")): No such file"))
        let key = try #require(try error(identity("client.pem", "nowhere.key")))
        #expect(key.code == .keyUnusable)
        #expect("\(key)".hasPrefix("nova_client_priv_key \(certificates.path("nowhere.key")): No such file"))
    }

    @Test(arguments: ["stranger.key", "rsa.key"]) func keyOfAnotherCertificateIsRefused(key: String) throws {
        let error = try #require(try error(identity("client.pem", key)))
        #expect(error.code == .keyDoesNotMatch)
        #expect(error.option == "nova_client_priv_key")
        #expect(error.reason.hasSuffix("nova_client_cert \(certificates.path("client.pem"))"))
    }

    /// OpenSSL would otherwise ask for the passphrase on the terminal.
    @Test(arguments: ["client-locked.key", "client-locked8.key"])
    func encryptedKeyIsRefusedWithoutAsking(key: String) throws {
        let error = try #require(try error(identity("client.pem", key)))
        #expect(error.code == .keyIsEncrypted)
    }

    @Test func rubbishAsClientCertificateIsRefused() throws {
        #expect(try error(identity("rubbish.pem", "client.key"))?.code == .certificateUnusable)
        let error = try #require(try error(identity("client.pem", "rubbish.pem")))
        #expect(error.code == .keyUnusable)
        #expect(error.reason.hasPrefix("the file holds no usable private key in PEM form"))
    }

    @Test func halfAnIdentityIsIgnoredWithAWarning() throws {
        let options = TLSOptions(clientCertificate: certificates.path("nowhere.pem"), clientKey: "")
        #expect(try error(options) == nil)
        #expect(options.warnings == ["no client certificate is sent to Nova, because nova_client_priv_key is not set"])
        #expect(TLSOptions(clientKey: "/x").warnings.count == 1)
        #expect(TLSOptions(clientCertificate: "/x", clientKey: "/y").warnings.isEmpty)
        #expect(TLSOptions(isInsecure: true).warnings.count == 1)
    }

    @Test func unixSocketCannotSpeakTLS() throws {
        let endpoint = try BackendEndpoint(unixPath: "/run/nova")
        #expect(throws: TLSConfigurationError.self) {
            try OpenSSLChannelFactory(endpoint: endpoint, options: TLSOptions())
        }
    }

    @Test func brokenOptionsLeaveNothingBehindForTheNextFactory() throws {
        _ = try error(identity("rubbish.pem", "client.key"))
        #expect(try error(identity("client.pem", "client.key")) == nil)
    }
}
