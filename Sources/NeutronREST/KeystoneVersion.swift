import InstanceDirectory

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The two Identity APIs. Neutron's agent spoke only v2.0, which Keystone removed in Queens.
enum KeystoneVersion: String, Sendable, Equatable {
    case v2 = "v2.0"
    case v3

    /// The version that the address itself names, if it does.
    init?(namedIn authURL: ServiceURL) {
        let components = authURL.text.split(separator: "/")
        if components.contains("v3") {
            self = .v3
        } else if components.contains("v2.0") {
            self = .v2
        } else {
            return nil
        }
    }

    /// The best version in a version document, which Keystone sends with status 300 from its root and with 200
    /// from below. The links in it are not used: behind a TLS proxy they name the wrong scheme or host, and
    /// the password goes only where `auth_url` says.
    init?(bestIn document: some Collection<UInt8>) {
        guard let decoded = try? JSONDecoder().decode(VersionDocument.self, from: Data(document)) else { return nil }
        if decoded.ids.contains(where: { $0 == "v3" || $0.hasPrefix("v3.") }) {
            self = .v3
        } else if decoded.ids.contains("v2.0") {
            self = .v2
        } else {
            return nil
        }
    }

    /// Where this version's tokens are made. A version suffix of the other version gives way.
    func tokensURL(at authURL: ServiceURL) -> String {
        switch self {
        case .v2: authURL.ending(in: "v2.0", insteadOf: "v3").appending("/tokens")
        case .v3: authURL.ending(in: "v3", insteadOf: "v2.0").appending("/auth/tokens")
        }
    }
}

/// `{"versions": {"values": […]}}`, `{"versions": […]}` or `{"version": {…}}`.
private struct VersionDocument: Decodable {
    struct Item: Decodable {
        var id: String
    }

    struct Values: Decodable {
        var values: [Item]
    }

    enum CodingKeys: CodingKey {
        case versions, version
    }

    var ids: [String]

    init(from decoder: any Decoder) throws {
        let document = try decoder.container(keyedBy: CodingKeys.self)
        if document.contains(.version) {
            ids = [try document.decode(Item.self, forKey: .version).id]
        } else if let values = try? document.decode(Values.self, forKey: .versions) {
            ids = values.values.map(\.id)
        } else {
            ids = try document.decode([Item].self, forKey: .versions).map(\.id)
        }
    }
}
