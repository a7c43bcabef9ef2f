import MetadataModel

/// Finds what may be in a lab only once; whoever comes second is reported with where the first is.
struct DuplicateCheck {
    private struct OnNetwork<Value: Hashable>: Hashable {
        let network: ResourceID
        let value: Value
    }

    private var ids: [String: [ResourceID: String]] = [:]
    private var addresses: [OnNetwork<IPAddress>: String] = [:]
    private var macs: [OnNetwork<MACAddress>: String] = [:]
    private var listeners: [String: String] = [:]

    /// - Parameter kind: `network`, `instance`, …; an instance may share its id with a network.
    mutating func claim(id: ResourceID, of kind: String, at place: Place) {
        if let first = ids[kind, default: [:]].updateValue(place.path, forKey: id) {
            place.report("the id \(id) is already that of \(first)")
        }
    }

    mutating func claim(_ address: IPAddress, on network: ResourceID, at place: Place) {
        if let first = addresses.updateValue(place.path, forKey: OnNetwork(network: network, value: address)) {
            place.report("the address \(address) on this network is already that of \(first)")
        }
    }

    mutating func claim(_ mac: MACAddress, on network: ResourceID, at place: Place) {
        if let first = macs.updateValue(place.path, forKey: OnNetwork(network: network, value: mac)) {
            place.report("the MAC address \(mac) on this network is already that of \(first)")
        }
    }

    mutating func claim(listener: String, at place: Place) {
        if let first = listeners.updateValue(place.path, forKey: listener) {
            place.report("this is already listened to by \(first)")
        }
    }
}
