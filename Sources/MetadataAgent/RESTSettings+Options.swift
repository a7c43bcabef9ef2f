import NeutronREST
import OsloConfig

extension RESTSettings {
    /// Nil if the configuration names neither Keystone nor an endpoint.
    init?(_ configuration: Configuration) {
        let authURL = configuration.string("auth_url") ?? ""
        let endpointURL = configuration.string("endpoint_url") ?? ""
        guard !authURL.isEmpty || !endpointURL.isEmpty else { return nil }
        self.init(
            authURL: authURL,
            user: configuration.string("admin_user") ?? "",
            password: configuration.string("admin_password") ?? "",
            tenantName: configuration.string("admin_tenant_name") ?? ""
        )
        if let domain = Self.domain(configuration, "admin_user_domain") { userDomain = domain }
        if let domain = Self.domain(configuration, "admin_project_domain") { projectDomain = domain }
        switch configuration.string("auth_version") {
        case "2.0": authVersion = .v2
        case "3": authVersion = .v3
        default: authVersion = .auto
        }
        strategy = configuration.string("auth_strategy") == "noauth" ? .noauth : .keystone
        region = configuration.string("auth_region").flatMap { $0.isEmpty ? nil : $0 }
        insecure = configuration.boolean("auth_insecure") ?? false
        caFile = configuration.string("auth_ca_cert").flatMap { $0.isEmpty ? nil : $0 }
        endpointType = configuration.string("endpoint_type").flatMap(EndpointType.init) ?? .adminURL
        self.endpointURL = endpointURL.isEmpty ? nil : endpointURL
    }

    /// The id wins over the name: only it is unambiguous.
    private static func domain(_ configuration: Configuration, _ prefix: String) -> Domain? {
        if let id = configuration.string("\(prefix)_id"), !id.isEmpty { return .id(id) }
        if let name = configuration.string("\(prefix)_name"), !name.isEmpty { return .name(name) }
        return nil
    }
}
