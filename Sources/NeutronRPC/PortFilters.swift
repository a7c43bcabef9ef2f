import InstanceDirectory
import MetadataModel
import OsloMessaging

/// The questions put to `get_ports`, in the form its `filters` argument wants: lists everywhere.
enum PortFilters {
    /// All interfaces of a router, by which its networks are known.
    static func interfaces(of router: ResourceID) -> [String: JSONValue] {
        [
            "device_id": [.string(router.description)],
            "device_owner": .array(PortMatch.routerInterfaceOwners.map(JSONValue.string)),
        ]
    }

    /// The ports that have the address or the MAC on one of the networks. There must be one at least: the server
    /// takes an empty list for "any network".
    static func ports(of subject: Claim.Subject, in networks: Set<ResourceID>) -> [String: JSONValue] {
        let ids = networks.map(\.description).sorted()
        var filters: [String: JSONValue] = ["network_id": .array(ids.map(JSONValue.string))]
        switch subject {
        case .fixedIP(let address): filters["fixed_ips"] = ["ip_address": [.string(address.description)]]
        case .mac(let mac): filters["mac_address"] = [.string(mac.description)]
        }
        return filters
    }
}
