import MetadataModel

/// Networks, subnets and routers.
extension InventoryReader {
    private static let subnetKeys = ["id", "cidr", "gateway", "dns", "dhcp", "ipv6_address_mode", "routes"]
    /// A network with one subnet can have its keys directly; `id` is then the network's.
    private static let inlineSubnetKeys = subnetKeys.filter { $0 != "id" }
    private static let mtuDefault = 1500

    /// Always a network, so that those who refer to a broken one are not reported as well.
    func readNetwork(_ name: String, _ place: Place) -> Inventory.Network {
        let section = place.section()
        section?.refuseKeys(otherThan: ["id", "mtu", "subnets"] + Self.inlineSubnetKeys)
        let id = id(section, kind: "network", name: "network/\(name)", at: place)
        var subnets: [Inventory.Subnet] = []
        if let section, section.has("subnets") {
            let inline = Self.inlineSubnetKeys.filter(section.has)
            if let first = inline.first {
                section.find(first)?.report("belongs into \"subnets\", or leave \"subnets\" out")
            }
            for (index, item) in (section.find("subnets")?.items() ?? []).enumerated() {
                readSubnet(item, name: "subnet/\(name)/\(index)").map { subnets.append($0) }
            }
        } else if let section, Self.inlineSubnetKeys.contains(where: section.has) {
            readSubnet(section, name: "subnet/\(name)/0", hasID: false).map { subnets.append($0) }
        }
        let mtu = section?.find("mtu")?.integer(in: 68...65_535)
        return .init(id: id, name: name, mtu: mtu ?? Self.mtuDefault, subnets: subnets)
    }

    private func readSubnet(_ place: Place, name: String) -> Inventory.Subnet? {
        if place.isScalar {
            return place.prefix().map { subnet(id: NameBasedID.uuid(name), cidr: $0) }
        }
        guard let section = place.section() else { return nil }
        section.refuseKeys(otherThan: Self.subnetKeys)
        return readSubnet(section, name: name, hasID: true)
    }

    private func subnet(id: ResourceID, cidr: IPPrefix) -> Inventory.Subnet {
        .init(
            id: id,
            cidr: cidr,
            gateway: cidr.firstHost,
            dns: [],
            hasDHCP: true,
            ipv6AddressMode: nil,
            routes: []
        )
    }

    private func readSubnet(_ section: Section, name: String, hasID: Bool) -> Inventory.Subnet? {
        let id =
            hasID ? id(section, kind: "subnet", name: name, at: section.place) : NameBasedID.uuid(name)
        let cidr = section.require("cidr")?.prefix()
        let mode = section.find("ipv6_address_mode")
        let addressMode = mode?.choice(of: Inventory.IPv6AddressMode.self)
        if let mode, let cidr, !cidr.isV6 { mode.report("\(cidr) is an IPv4 subnet") }
        let dns = section.find("dns")?.list { $0.address() } ?? []
        let hasDHCP = section.find("dhcp")?.boolean()
        let routes = section.find("routes")?.list(readRoute) ?? []
        let gateway = readGateway(section, cidr: cidr)
        guard let cidr else { return nil }
        return .init(
            id: id,
            cidr: cidr,
            gateway: gateway,
            dns: dns,
            hasDHCP: hasDHCP ?? true,
            ipv6AddressMode: addressMode,
            routes: routes
        )
    }

    /// Left out, it is the first address of the subnet, as in Neutron.
    private func readGateway(_ section: Section, cidr: IPPrefix?) -> IPAddress? {
        guard let place = section.find("gateway") else { return cidr?.firstHost }
        if place.isNone { return nil }
        guard let gateway = place.address() else { return nil }
        if let cidr, !cidr.contains(gateway), !gateway.isIPv6LinkLocal || !cidr.isV6 {
            place.report("\(gateway) is outside of \(cidr)")
        }
        return gateway
    }

    private func readRoute(_ place: Place) -> Inventory.Route? {
        guard let section = place.section() else { return nil }
        section.refuseKeys(otherThan: ["destination", "nexthop"])
        let destination = section.require("destination")?.prefix()
        let nexthop = section.require("nexthop")?.address()
        guard let destination, let nexthop else { return nil }
        if destination.isV6 != nexthop.isV6 { place.report("destination and nexthop are of different families") }
        return .init(destination: destination, nexthop: nexthop)
    }

    func readRouter(_ name: String, _ place: Place) -> Inventory.Router? {
        guard let section = place.section() else { return nil }
        section.refuseKeys(otherThan: ["id", "networks"])
        let joined = section.find("networks")?.list(network(named:)) ?? []
        var networkIDs: [ResourceID] = []
        for network in joined where !networkIDs.contains(network.id) { networkIDs.append(network.id) }
        return .init(
            id: id(section, kind: "router", name: "router/\(name)", at: place),
            name: name,
            networkIDs: networkIDs
        )
    }

    /// The `id` that is given, or the one made from the name.
    func id(_ section: Section?, kind: String, name: String, at place: Place) -> ResourceID {
        let given = section?.find("id")
        let id = given?.id() ?? NameBasedID.uuid(name)
        duplicates.claim(id: id, of: kind, at: given ?? place)
        return id
    }
}
