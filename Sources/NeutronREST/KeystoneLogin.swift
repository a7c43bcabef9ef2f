#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The body of a password login, in either version.
enum KeystoneLogin {
    /// JSON; the encoder takes care of quotes, backslashes and every other character of a password.
    static func body(_ version: KeystoneVersion, _ settings: RESTSettings) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
        switch version {
        case .v2: return try encoder.encode(V2(settings))
        case .v3: return try encoder.encode(V3(settings))
        }
    }

    private struct V2: Encodable {
        struct Credentials: Encodable {
            var username: String
            var password: String
        }

        struct Auth: Encodable {
            var passwordCredentials: Credentials
            var tenantName: String
        }

        var auth: Auth

        init(_ settings: RESTSettings) {
            auth = Auth(
                passwordCredentials: Credentials(username: settings.user, password: settings.password),
                tenantName: settings.tenantName
            )
        }
    }

    private struct V3: Encodable {
        /// Exactly one of the two is sent.
        struct Domain: Encodable {
            var name: String?
            var id: String?

            init(_ domain: RESTSettings.Domain) {
                switch domain {
                case .name(let name): self.name = name
                case .id(let id): self.id = id
                }
            }
        }

        struct User: Encodable {
            var name: String
            var domain: Domain
            var password: String
        }

        struct Password: Encodable {
            var user: User
        }

        struct Identity: Encodable {
            var methods = ["password"]
            var password: Password
        }

        struct Project: Encodable {
            var name: String
            var domain: Domain
        }

        struct Scope: Encodable {
            var project: Project
        }

        struct Auth: Encodable {
            var identity: Identity
            var scope: Scope
        }

        var auth: Auth

        init(_ settings: RESTSettings) {
            let user = User(name: settings.user, domain: Domain(settings.userDomain), password: settings.password)
            let project = Project(name: settings.tenantName, domain: Domain(settings.projectDomain))
            auth = Auth(
                identity: Identity(password: Password(user: user)),
                scope: Scope(project: project)
            )
        }
    }
}
