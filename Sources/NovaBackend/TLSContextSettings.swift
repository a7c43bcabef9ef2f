import COpenSSL
import Glibc
import MetadataModel

/// Turns `TLSOptions` into settings of a fresh `SSL_CTX`; used once per factory, before it is shared.
struct TLSContextSettings {
    let context: OpaquePointer
    let endpoint: BackendEndpoint
    let options: TLSOptions

    func apply() throws(TLSConfigurationError) {
        guard cnova_require_tls_1_2(context) == 1 else { throw OpenSSLChannelFactory.libraryError() }
        cnova_set_modes(context)
        cnova_disable_renegotiation(context)
        cnova_disable_session_cache(context)
        // One recv for a record's head and body, instead of two.
        cnova_enable_read_ahead(context)
        try useAuthorities()
        try useHost()
        try useClientIdentity()
    }

    private func useAuthorities() throws(TLSConfigurationError) {
        if options.isInsecure {
            SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nil)
            return
        }
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
        guard let authorities = options.authorities else {
            guard SSL_CTX_set_default_verify_paths(context) == 1 else { throw OpenSSLChannelFactory.libraryError() }
            return
        }
        let loaded =
            isDirectory(authorities)
            ? SSL_CTX_load_verify_dir(context, authorities) : SSL_CTX_load_verify_file(context, authorities)
        guard loaded == 1 else {
            throw fileError(.authoritiesUnusable, "auth_ca_cert", authorities)
        }
        // Whatever the operator put into the file is trusted, also an intermediate without its root.
        X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), CUnsignedLong(X509_V_FLAG_PARTIAL_CHAIN))
    }

    /// The name that the certificate must have. A Nova addressed by IP must have that address in its
    /// certificate; urllib3 got this wrong for a while, and Neutron with it.
    private func useHost() throws(TLSConfigurationError) {
        let parameters = SSL_CTX_get0_param(context)
        let result: CInt
        switch endpoint.host {
        case .unix:
            throw TLSConfigurationError(.noHost, reason: "TLS needs a host name or IP address, not \(endpoint)")
        case .address(let address, _):
            result = X509_VERIFY_PARAM_set1_ip_asc(parameters, "\(address)")
        case .name(let name, _):
            X509_VERIFY_PARAM_set_hostflags(parameters, CUnsignedInt(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
            result = X509_VERIFY_PARAM_set1_host(parameters, name, 0)
        }
        guard result == 1 else { throw OpenSSLChannelFactory.libraryError() }
    }

    private func useClientIdentity() throws(TLSConfigurationError) {
        guard let (certificate, key) = options.clientIdentity else { return }
        guard SSL_CTX_use_certificate_chain_file(context, certificate) == 1 else {
            throw fileError(.certificateUnusable, "nova_client_cert", certificate)
        }
        // OpenSSL would ask for the passphrase on the terminal and block.
        var wasAsked = false
        let isLoaded = withUnsafeMutablePointer(to: &wasAsked) { wasAsked in
            SSL_CTX_set_default_passwd_cb(context) { _, _, _, wasAsked in
                wasAsked?.storeBytes(of: true, as: Bool.self)
                return -1
            }
            SSL_CTX_set_default_passwd_cb_userdata(context, wasAsked)
            defer { SSL_CTX_set_default_passwd_cb_userdata(context, nil) }
            return SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1
                && SSL_CTX_check_private_key(context) == 1
        }
        guard isLoaded else { throw keyError(certificate, key, isEncrypted: wasAsked) }
    }

    private func keyError(_ certificate: String, _ key: String, isEncrypted: Bool) -> TLSConfigurationError {
        let entry = OpenSSLErrorQueue.take()
        let code: TLSConfigurationError.Code
        let reason: String
        switch (entry?.library, entry?.reason) {
        case _ where isEncrypted:
            code = .keyIsEncrypted
            reason = "this key is encrypted; store it without a passphrase, readable by the agent's user only"
        case (ERR_LIB_X509, X509_R_KEY_VALUES_MISMATCH), (ERR_LIB_X509, X509_R_KEY_TYPE_MISMATCH),
            (ERR_LIB_SSL, SSL_R_NO_CERTIFICATE_ASSIGNED):
            code = .keyDoesNotMatch
            reason = "this key does not belong to the certificate in nova_client_cert \(certificate)"
        default:
            code = .keyUnusable
            reason = fileReason(entry, expected: "private key")
        }
        return TLSConfigurationError(code, option: "nova_client_priv_key", file: key, reason: reason)
    }

    private func fileError(
        _ code: TLSConfigurationError.Code,
        _ option: String,
        _ file: String
    ) -> TLSConfigurationError {
        let reason = fileReason(OpenSSLErrorQueue.take(), expected: "certificate")
        return TLSConfigurationError(code, option: option, file: file, reason: reason)
    }

    /// The system's words if the file cannot be read; else what should be in it, and OpenSSL's words.
    private func fileReason(_ entry: OpenSSLErrorQueue.Entry?, expected: String) -> String {
        guard let entry else { return "the file holds no usable \(expected)" }
        return entry.library == ERR_LIB_SYS
            ? entry.text : "the file holds no usable \(expected) in PEM form (\(entry.text))"
    }

    private func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }
}
