#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// What Keystone grants at a login: a token, how long it lives, and where Neutron is.
struct KeystoneGrant: Sendable, Equatable {
    var token: String
    /// From now on. Nil if Keystone does not say.
    var lifetime: Duration?
    var catalog: ServiceCatalog
    /// The names of the account's roles in the project. Nil if Keystone does not say.
    var roles: [String]?

    var hasAdminRole: Bool? {
        roles.map { roles in roles.contains { $0.lowercased() == "admin" } }
    }

    /// - Parameters:
    ///   - subjectToken: The header `X-Subject-Token`, which carries a v3 token.
    ///   - secondsSince1970: The wall clock, used only if Keystone does not say when the token was issued.
    ///     Otherwise its life is reckoned on Keystone's clock alone, and ours may be wrong.
    /// - Throws: `DecodingError` if `body` is not what the version promises.
    init(
        _ version: KeystoneVersion,
        body: Data,
        subjectToken: String?,
        secondsSince1970: Int64
    ) throws {
        switch version {
        case .v2:
            let access = try JSONDecoder().decode(V2.self, from: body).access
            token = access.token.id
            lifetime = Self.lifetime(access.token.issued_at, access.token.expires, secondsSince1970)
            catalog = access.catalog
            roles = access.user?.roles?.compactMap(\.name)
        case .v3:
            let document = try JSONDecoder().decode(V3.self, from: body).token
            guard let subjectToken else {
                throw DecodingError.dataCorrupted(.init(codingPath: [], debugDescription: "no X-Subject-Token"))
            }
            token = subjectToken
            lifetime = Self.lifetime(document.issued_at, document.expires_at, secondsSince1970)
            catalog = document.serviceCatalog
            roles = document.roles?.compactMap(\.name)
        }
        guard !token.isEmpty else {
            throw DecodingError.dataCorrupted(.init(codingPath: [], debugDescription: "the token is empty"))
        }
    }

    private static func lifetime(_ issued: String?, _ expires: String?, _ secondsSince1970: Int64) -> Duration? {
        guard let expires = expires.flatMap({ UTCTime($0) }) else { return nil }
        let start = issued.flatMap { UTCTime($0) }?.secondsSince1970 ?? secondsSince1970
        return .seconds(max(0, expires.secondsSince1970 - start))
    }
}

// The names below are Keystone's.
// swift-format-ignore: AlwaysUseLowerCamelCase
private struct V2: Decodable {
    struct Access: Decodable {
        var token: Token
        var serviceCatalog: [Service]?
        var user: User?

        var catalog: ServiceCatalog {
            let services = serviceCatalog ?? []
            let endpoints = services.filter { $0.type == "network" }.flatMap { $0.endpoints ?? [] }
            return ServiceCatalog(
                isEmpty: services.isEmpty,
                network: endpoints.flatMap { endpoint in
                    [
                        (RESTSettings.EndpointType.adminURL, endpoint.adminURL),
                        (.internalURL, endpoint.internalURL),
                        (.publicURL, endpoint.publicURL),
                    ].compactMap { type, url in
                        url.map { ServiceCatalog.Endpoint(type: type, region: endpoint.region, url: $0) }
                    }
                }
            )
        }
    }

    struct Token: Decodable {
        var id: String
        var expires: String?
        var issued_at: String?
    }

    struct User: Decodable {
        var roles: [Role]?
    }

    struct Service: Decodable {
        var type: String?
        var endpoints: [Endpoint]?
    }

    struct Endpoint: Decodable {
        var region: String?
        var adminURL: String?
        var internalURL: String?
        var publicURL: String?
    }

    var access: Access
}

private struct Role: Decodable {
    var name: String?
}

// swift-format-ignore: AlwaysUseLowerCamelCase
private struct V3: Decodable {
    struct Token: Decodable {
        var expires_at: String?
        var issued_at: String?
        var roles: [Role]?
        var catalog: [Service]?

        var serviceCatalog: ServiceCatalog {
            let services = catalog ?? []
            let endpoints = services.filter { $0.type == "network" }.flatMap { $0.endpoints ?? [] }
            return ServiceCatalog(
                isEmpty: services.isEmpty,
                network: endpoints.compactMap { endpoint in
                    let type: RESTSettings.EndpointType
                    switch endpoint.interface {
                    case "admin", "adminURL": type = .adminURL
                    case "internal", "internalURL": type = .internalURL
                    case "public", "publicURL": type = .publicURL
                    default: return nil
                    }
                    guard let url = endpoint.url else { return nil }
                    return ServiceCatalog.Endpoint(type: type, region: endpoint.region_id ?? endpoint.region, url: url)
                }
            )
        }
    }

    struct Service: Decodable {
        var type: String?
        var endpoints: [Endpoint]?
    }

    struct Endpoint: Decodable {
        var interface: String?
        var region_id: String?
        var region: String?
        var url: String?
    }

    var token: Token
}
