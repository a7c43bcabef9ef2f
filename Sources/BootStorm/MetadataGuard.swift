import MetadataModel

/// Keeps a storm from a real cloud's metadata service.
///
/// On a cloud machine, 169.254.169.254 asked from the host's own network is that cloud's service and not the one under
/// test: a thousand guests would hit a stranger, and its answers hold the machine's credentials. So addresses at which
/// such services live are asked only inside another namespace, or where this host itself has the address.
enum MetadataGuard {
    /// Nil if the target may be asked.
    ///
    /// - Parameters:
    ///   - isElsewhere: a network namespace other than the process's own was given, and entered.
    ///   - localAddresses: those of the interfaces here.
    static func refusal(of target: StormTarget, isElsewhere: Bool, localAddresses: Set<IPAddress>) -> String? {
        if isElsewhere || !isMetadataAddress(target.address) || localAddresses.contains(target.address) { return nil }
        return "\(target): refused, because from this network it may be the metadata service of the cloud that this"
            + " machine runs in. Give --namespace, or an address that this host has."
    }

    static func isMetadataAddress(_ address: IPAddress) -> Bool {
        switch address {
        case .v4(let value):
            // Link-local, and Alibaba's and Azure's own.
            value >> 16 == 0xA9FE || value == 0x6464_64C8 || value == 0xA83F_8110
        case .v6(let high, let low):
            // Link-local; Amazon's fd00:ec2::254 and Google's fd20:ce::254.
            address.isIPv6LinkLocal
                || (low == 0x254 && [0xFD00_0EC2_0000_0000, 0xFD20_00CE_0000_0000].contains(high))
        }
    }
}
