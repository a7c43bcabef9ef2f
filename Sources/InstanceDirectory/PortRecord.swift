/// One port as the Neutron server describes it, reduced to what decides about a claim.
///
/// Both the REST API and the RPC method `get_ports` give ports with these keys. A field that is missing or
/// null is nil (or empty): Juno lacks `project_id`, a filtered answer may lack anything. A field of another
/// type makes the whole answer unusable, and decoding throws.
public struct PortRecord: Hashable, Sendable {
    /// The port's own id, by which a port that two pages show is counted once.
    public var id: String?
    /// The instance or router the port belongs to; empty for an unbound port.
    public var deviceID: String
    /// `network:router_interface`, `compute:nova`, …
    public var deviceOwner: String
    /// Newton and later.
    public var projectID: String?
    /// The older name of the same. Servers before Newton send only this one.
    public var tenantID: String?
    public var networkID: String?
    public var macAddress: String?
    /// The textual fixed IPs.
    public var fixedIPs: [String]

    public init(
        id: String? = nil,
        deviceID: String = "",
        deviceOwner: String = "",
        projectID: String? = nil,
        tenantID: String? = nil,
        networkID: String? = nil,
        macAddress: String? = nil,
        fixedIPs: [String] = []
    ) {
        self.id = id
        self.deviceID = deviceID
        self.deviceOwner = deviceOwner
        self.projectID = projectID
        self.tenantID = tenantID
        self.networkID = networkID
        self.macAddress = macAddress
        self.fixedIPs = fixedIPs
    }
}

extension PortRecord: Decodable {
    private enum CodingKeys: String, CodingKey {
        case id
        case deviceID = "device_id"
        case deviceOwner = "device_owner"
        case projectID = "project_id"
        case tenantID = "tenant_id"
        case networkID = "network_id"
        case macAddress = "mac_address"
        case fixedIPs = "fixed_ips"
    }

    private struct FixedIP: Decodable {
        // swift-format-ignore: AlwaysUseLowerCamelCase
        var ip_address: String?
    }

    public init(from decoder: any Decoder) throws {
        let port = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            id: try port.decodeIfPresent(String.self, forKey: .id),
            deviceID: try port.decodeIfPresent(String.self, forKey: .deviceID) ?? "",
            deviceOwner: try port.decodeIfPresent(String.self, forKey: .deviceOwner) ?? "",
            projectID: try port.decodeIfPresent(String.self, forKey: .projectID),
            tenantID: try port.decodeIfPresent(String.self, forKey: .tenantID),
            networkID: try port.decodeIfPresent(String.self, forKey: .networkID),
            macAddress: try port.decodeIfPresent(String.self, forKey: .macAddress),
            fixedIPs: try port.decodeIfPresent([FixedIP].self, forKey: .fixedIPs)?.compactMap(\.ip_address) ?? []
        )
    }
}
