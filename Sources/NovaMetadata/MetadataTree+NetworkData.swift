import Inventory
import MetadataModel

/// `network_data.json`: how the guest is to set up its interfaces.
extension MetadataTree {
    /// Types that a guest is told of; the others are none of its business (Nova's LEGACY_EXPOSED_VIF_TYPES).
    private static let exposedTypes: Set<String> = [
        "bridge", "dvs", "hw_veb", "hyperv", "ovs", "tap", "vhostuser", "vif",
    ]

    var networkData: JSONValue {
        guard !instance.ports.isEmpty else { return [:] }
        var links: [JSONValue] = []
        var networks: [JSONValue] = []
        var services: [JSONValue] = []
        for port in instance.ports {
            guard let network = inventory.network(port.networkID) else { continue }
            // Nova knows of a network only the subnets in which the port has an address.
            let subnets = network.subnets.filter { subnet in port.fixedIPs.contains(where: subnet.cidr.contains) }
            guard !subnets.isEmpty else { continue }
            links.append(link(port, mtu: subnets.contains(where: \.hasDHCP) ? nil : network.mtu))
            for isV6 in [false, true] {
                guard let subnet = subnets.first(where: { $0.cidr.isV6 == isV6 }),
                    let address = port.fixedIPs.first(where: subnet.cidr.contains)
                else { continue }
                networks.append(entry(networks.count, port, subnet, address))
                for service in dnsServices(subnet) where !services.contains(service) { services.append(service) }
            }
        }
        return ["links": .array(links), "networks": .array(networks), "services": .array(services)]
    }

    /// - Parameter mtu: null where DHCP announces it.
    private func link(_ port: Inventory.Port, mtu: Int?) -> JSONValue {
        [
            "id": .string(port.deviceName),
            "vif_id": .string(port.id.description),
            "type": .string(Self.exposedTypes.contains(port.vifType) ? port.vifType : "phy"),
            "mtu": mtu.map { .integer($0) } ?? .null,
            "ethernet_mac_address": .string(port.mac.description),
        ]
    }

    private func entry(
        _ number: Int,
        _ port: Inventory.Port,
        _ subnet: Inventory.Subnet,
        _ address: IPAddress
    ) -> JSONValue {
        let family = subnet.cidr.isV6 ? "ipv6" : "ipv4"
        // An address mode says more than "DHCP" and goes before it.
        if subnet.ipv6AddressMode == nil, subnet.hasDHCP {
            return [
                "id": .string("network\(number)"),
                "type": .string("\(family)_dhcp"),
                "link": .string(port.deviceName),
                "network_id": .string(port.networkID.description),
            ]
        }
        return [
            "id": .string("network\(number)"),
            "type": .string(family + (subnet.ipv6AddressMode.map { "_\($0.rawValue)" } ?? "")),
            "link": .string(port.deviceName),
            "ip_address": .string(address.description),
            "netmask": .string(subnet.cidr.netmask.description),
            "routes": .array(routes(subnet)),
            "network_id": .string(port.networkID.description),
            "services": .array(dnsServices(subnet)),
        ]
    }

    private func routes(_ subnet: Inventory.Subnet) -> [JSONValue] {
        let everywhere = subnet.cidr.isV6 ? "::" : "0.0.0.0"
        let byDefault = subnet.gateway.map { route(everywhere, everywhere, $0) }
        return (byDefault.map { [$0] } ?? [])
            + subnet.routes.map {
                route($0.destination.network.description, $0.destination.netmask.description, $0.nexthop)
            }
    }

    private func route(_ network: String, _ netmask: String, _ gateway: IPAddress) -> JSONValue {
        ["network": .string(network), "netmask": .string(netmask), "gateway": .string(gateway.description)]
    }

    private func dnsServices(_ subnet: Inventory.Subnet) -> [JSONValue] {
        subnet.dns.map { ["type": "dns", "address": .string($0.description)] }
    }
}
