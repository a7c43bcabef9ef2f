import COpenSSL
import Glibc
import LinuxHost
import RelayLoop

/// Why a TLS connection to Nova failed, and the sentence for the operator's log.
struct TLSFault: Equatable {
    enum Cause: Equatable {
        /// The server's certificate was refused by us; the code is one of OpenSSL's `X509_V_ERR_`.
        case certificate(code: CInt)
        /// OpenSSL's reason within its SSL library: our own finding, or an alert from the server (1000 + number).
        case library(reason: CInt, text: String)
        /// The server closed the TCP connection where TLS does not allow it.
        case closed
        /// The errno of the socket.
        case system(code: CInt)
    }

    var cause: Cause
    var endpoint: BackendEndpoint
    /// The value of `auth_ca_cert`, if set.
    var authorities: String?

    /// For `Transfer.failed`: the socket's errno, or `EPROTO` for what TLS found.
    var code: CInt {
        if case .system(let code) = cause { code } else { EPROTO }
    }

    var sentence: String {
        "TLS to \(endpoint.authority) failed: \(reason)"
    }

    private var reason: String {
        switch cause {
        case .certificate(let code): certificateReason(code)
        case .library(let reason, let text): libraryReason(reason, text)
        case .closed: "the server closed the connection without TLS's closing message"
        case .system(let code): systemReason(code)
        }
    }

    private func certificateReason(_ code: CInt) -> String {
        switch code {
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return "its certificate, or one above it, has expired; renew it there, and compare the clocks"
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return "its certificate is not valid yet; compare the clocks of both hosts"
        case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH:
            return "its certificate is for another name; nova_metadata_host must be one of the names or IP"
                + " addresses in it"
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
            X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
            X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_CERT_SIGNATURE_FAILURE:
            guard let authorities else {
                return "its certificate is signed by an authority unknown to this host; set auth_ca_cert to the"
                    + " authority's file"
            }
            return "its certificate is not signed by an authority in auth_ca_cert (\(authorities))"
        default:
            return "its certificate was refused: \(String(cString: X509_verify_cert_error_string(CLong(code))))"
        }
    }

    private func libraryReason(_ reason: CInt, _ text: String) -> String {
        switch reason {
        case SSL_R_WRONG_VERSION_NUMBER, SSL_R_HTTP_REQUEST, SSL_R_PACKET_LENGTH_TOO_LONG:
            "the server does not speak TLS; if it serves plain HTTP, set nova_metadata_protocol = http"
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
            "the server offers no TLS version from 1.2 on"
        case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
            "the server wants a client certificate; set nova_client_cert and nova_client_priv_key (\(text))"
        case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE,
            SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED,
            SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, SSL_R_TLSV1_ALERT_UNKNOWN_CA, SSL_R_TLSV1_ALERT_ACCESS_DENIED:
            "the server refused our client certificate; look at nova_client_cert and nova_client_priv_key (\(text))"
        case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
            "the server refused the handshake: no common cipher, or it wants a client certificate"
                + " (nova_client_cert, nova_client_priv_key)"
        default:
            text
        }
    }
}
