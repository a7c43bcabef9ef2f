import AsyncHTTPClient
import InstanceDirectory
import NIOCore
import NIOPosix
import NIOSSL

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension DirectoryError {
    /// The error for a request that brought no answer.
    init(_ error: any Error, service: HTTPExchange.Service, base: ServiceURL, timeout: Duration) {
        let name = service.rawValue
        switch error {
        case let error as HTTPClientError:
            self = Self.client(error, name, base, timeout)
        case is CancellationError:
            self = Self.client(.cancelled, name, base, timeout)
        case let error as HTTPExchange.ReplyTooLong:
            self.init(.malformedReply, "\(name) at \(base) sent more than \(error.bytesMax) bytes.")
        case let error as NIOConnectionError:
            let reason = error.connectionErrors.first.map { "\($0.error)" } ?? "no address for the host name"
            self.init(.unreachable, "No connection to \(name) at \(base): \(reason). See whether it runs.")
        case let error as NIOSSLError:
            guard case .handshakeFailed(.sslError(let stack)) = error else {
                self = Self.away(name, base, error)
                return
            }
            self = Self.untrusted(name, base, stack.map { "\($0)" }.joined(separator: ", "))
        case let error as NIOSSLExtraError:
            self = Self.untrusted(name, base, "\(error)")
        case is IOError, is ChannelError:
            self = Self.away(name, base, error)
        default:
            self.init(.malformedReply, "\(name) at \(base) did not answer in HTTP: \(error).")
        }
    }

    private static func client(
        _ error: HTTPClientError,
        _ name: String,
        _ base: ServiceURL,
        _ timeout: Duration
    ) -> DirectoryError {
        switch error {
        case .cancelled:
            DirectoryError(.timeout, "The request to \(name) at \(base) was given up.")
        case .deadlineExceeded, .readTimeout:
            DirectoryError(
                .timeout,
                "\(name) at \(base) did not answer within \(timeout). See whether it is overloaded."
            )
        case .invalidURL, .emptyHost, .emptyScheme:
            DirectoryError(.misconfigured, "\(name)'s address \(base) is not a usable URL. Correct it.")
        default:
            away(name, base, error)
        }
    }

    private static func away(_ name: String, _ base: ServiceURL, _ error: any Error) -> DirectoryError {
        DirectoryError(.unreachable, "No answer from \(name) at \(base): \(error). See whether it runs.")
    }

    private static func untrusted(_ name: String, _ base: ServiceURL, _ reason: String) -> DirectoryError {
        DirectoryError(
            .misconfigured,
            "TLS with \(name) at \(base) failed: \(reason). Check auth_ca_cert and the server's certificate."
        )
    }

    /// The error for an answer with a status that is no success.
    ///
    /// - Parameter secrets: Are taken out of the server's own words.
    init(_ reply: HTTPExchange.Reply, service: HTTPExchange.Service, base: ServiceURL, secrets: [String]) {
        var said = "status \(reply.status)"
        if let message = ServerMessage(reply.body, secrets: secrets) { said += ", \"\(message.text)\"" }
        let name = service.rawValue
        switch reply.status {
        case 401, 403:
            self.init(.unauthorized, "\(name) at \(base) refused the account: \(said). Check the admin_* options.")
        case 408, 429, 502, 503, 504:
            self.init(.unavailable, "\(name) at \(base) is not ready: \(said).")
        case 300..<400:
            self.init(.remoteFailure, "\(name) at \(base) redirects (\(said)), which is not followed. Correct the URL.")
        case 404 where service == .keystone:
            self.init(.remoteFailure, "\(name) at \(base) has no such page: \(said). Check auth_url and auth_version.")
        default:
            self.init(.remoteFailure, "\(name) at \(base) failed: \(said). See its log.")
        }
    }
}

/// The sentence in an error body: `{"NeutronError": {"message": …}}`, `{"NeutronError": "…"}` or
/// `{"error": {"message": …}}`.
private struct ServerMessage: Decodable {
    private struct Details: Decodable {
        var message: String?
    }

    private enum CodingKeys: String, CodingKey {
        case neutron = "NeutronError"
        case keystone = "error"
    }

    private static let charactersMax = 200

    let text: String

    init?(_ body: Data, secrets: [String]) {
        guard var text = try? JSONDecoder().decode(ServerMessage.self, from: body).text else { return nil }
        for secret in secrets where !secret.isEmpty {
            text = text.replacing(secret, with: "***")
        }
        self.text = String(text.filter { !$0.isNewline }.prefix(Self.charactersMax))
    }

    init(from decoder: any Decoder) throws {
        let body = try decoder.container(keyedBy: CodingKeys.self)
        let key: CodingKeys = body.contains(.neutron) ? .neutron : .keystone
        if let details = try? body.decode(Details.self, forKey: key), let message = details.message {
            text = message
        } else {
            text = try body.decode(String.self, forKey: key)
        }
    }
}
