import InstanceDirectory

/// Neutron's addresses in the catalog that comes with a token.
struct ServiceCatalog: Sendable, Equatable {
    struct Endpoint: Sendable, Equatable {
        var type: RESTSettings.EndpointType
        var region: String?
        var url: String
    }

    struct Choice: Equatable {
        var url: String
        var type: RESTSettings.EndpointType
    }

    /// Whether the catalog had any service at all; it has none if the token belongs to no project.
    var isEmpty: Bool
    /// The endpoints of the services of type `network`, in the catalog's order.
    var network: [Endpoint]

    /// The first endpoint of that type in that region (any, if nil).
    ///
    /// Clouds of today often publish no admin endpoint, while `adminURL` is the option's default since Juno:
    /// then the internal one is taken, then the public one.
    ///
    /// - Throws: `.misconfigured`.
    func endpoint(
        _ type: RESTSettings.EndpointType,
        region: String?
    ) throws(DirectoryError) -> Choice {
        let types: [RESTSettings.EndpointType] = type == .adminURL ? [.adminURL, .internalURL, .publicURL] : [type]
        for type in types {
            let match = network.first { $0.type == type && (region == nil || $0.region == region) && !$0.url.isEmpty }
            if let match { return Choice(url: match.url, type: type) }
        }
        throw DirectoryError(.misconfigured, reason(type, region: region))
    }

    private func reason(_ type: RESTSettings.EndpointType, region: String?) -> String {
        if isEmpty {
            return "Keystone's service catalog is empty. See whether admin_tenant_name is a project of admin_user."
        }
        if network.isEmpty {
            return "Keystone's service catalog has no service of type network. Set endpoint_url."
        }
        guard let region else {
            return "Keystone's service catalog has no \(type.rawValue) for Neutron. Change endpoint_type."
        }
        let regions = Set(network.compactMap(\.region)).sorted().joined(separator: ", ")
        return """
            Keystone's service catalog has no \(type.rawValue) for Neutron in region \(region), \
            only in: \(regions). Correct auth_region or endpoint_type.
            """
    }
}
