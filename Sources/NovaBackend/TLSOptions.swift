/// How to speak TLS to Nova: the values of Neutron's options of the same meaning.
public struct TLSOptions: Hashable, Sendable {
    /// `auth_ca_cert`: a PEM file, or a directory prepared by `openssl rehash`, with the only authorities
    /// trusted. Nil: the system's.
    public var authorities: String?
    /// `nova_metadata_insecure`: accept any certificate, whoever signed it and whatever name it has.
    public var isInsecure: Bool
    /// `nova_client_cert`: a PEM file with the certificate and, behind it, its intermediates.
    public var clientCertificate: String?
    /// `nova_client_priv_key`: a PEM file, not encrypted.
    public var clientKey: String?
    /// Resume earlier sessions on new connections, which saves Nova's side a private-key operation.
    public var reusesSessions: Bool

    /// Empty paths count as not set, as oslo.config's default for the client options is the empty string.
    public init(
        authorities: String? = nil,
        isInsecure: Bool = false,
        clientCertificate: String? = nil,
        clientKey: String? = nil,
        reusesSessions: Bool = true
    ) {
        self.authorities = authorities.flatMap { $0.isEmpty ? nil : $0 }
        self.isInsecure = isInsecure
        self.clientCertificate = clientCertificate.flatMap { $0.isEmpty ? nil : $0 }
        self.clientKey = clientKey.flatMap { $0.isEmpty ? nil : $0 }
        self.reusesSessions = reusesSessions
    }

    /// The certificate and key to present: Neutron uses them only if both are set.
    var clientIdentity: (certificate: String, key: String)? {
        guard let clientCertificate, let clientKey else { return nil }
        return (clientCertificate, clientKey)
    }

    /// What an operator probably did not mean, one sentence each, to be logged once at start.
    public var warnings: [String] {
        var warnings: [String] = []
        if isInsecure {
            warnings.append(
                "nova_metadata_insecure is set: anybody between here and Nova can read and change metadata"
            )
        }
        if (clientCertificate == nil) != (clientKey == nil) {
            let missing = clientKey == nil ? "nova_client_priv_key" : "nova_client_cert"
            warnings.append("no client certificate is sent to Nova, because \(missing) is not set")
        }
        return warnings
    }
}

/// A TLS option that cannot be used. Found when the factory is made, never during a request.
public struct TLSConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
    public enum Code: Hashable, Sendable {
        case authoritiesUnusable
        case certificateUnusable
        case keyUnusable
        case keyIsEncrypted
        case keyDoesNotMatch
        /// The endpoint is a UNIX-domain socket, which no certificate can name.
        case noHost
        /// OpenSSL itself cannot start: out of memory, or a broken `openssl.cnf`.
        case library
    }

    public let code: Code
    /// The option in `[DEFAULT]` that names the file; nil where no option is to blame.
    public let option: String?
    public let file: String?
    /// OpenSSL's or the system's own words.
    public let reason: String

    init(_ code: Code, option: String? = nil, file: String? = nil, reason: String) {
        self.code = code
        self.option = option
        self.file = file
        self.reason = reason
    }

    public var description: String {
        let place = [option, file].compactMap { $0 }.joined(separator: " ")
        return place.isEmpty ? reason : "\(place): \(reason)"
    }
}
