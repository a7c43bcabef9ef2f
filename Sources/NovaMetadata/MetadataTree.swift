import Inventory
import MetadataModel

/// The documents that Nova's metadata API serves to one instance, byte for byte as Nova writes them.
///
/// A pure value: a request and the outside world's contributions (day, randomness, stored passwords) go in,
/// an answer comes out. Who may read which instance's tree is decided by the caller (`EmbeddedNova`).
public struct MetadataTree: Sendable {
    let instance: InstanceRecord
    let inventory: Inventory

    /// - Parameter inventory: gives the networks behind the instance's ports and the DHCP domain.
    public init(_ instance: InstanceRecord, in inventory: Inventory) {
        self.instance = instance
        self.inventory = inventory
    }

    /// The answer to one request. `HEAD` is answered like `GET`, with a body that the server must not send.
    ///
    /// - Parameters:
    ///   - today: versions of the future are left out of lists.
    ///   - random: the source of `random_seed`, which differs at every read.
    /// - Throws: if a password cannot be kept; the guest is then to get a 500.
    public func answer(
        _ request: MetadataRequest,
        today: UTCDay,
        passwords: any PasswordStore,
        random: inout some RandomNumberGenerator
    ) throws(PasswordStoreError) -> MetadataAnswer {
        let path = MetadataPath(target: request.target)
        switch path.elements.first {
        case "openstack":
            return try openStack(
                path.elements.dropFirst(),
                request,
                today: today,
                passwords: passwords,
                random: &random
            )
        case "ec2":
            return ec2(path.elements.dropFirst(), clientAddress: request.clientAddress)
        default:
            return ec2(path.elements[...], clientAddress: request.clientAddress)
        }
    }

    /// What everybody may read without saying who they are: the list of EC2 versions at `/`.
    public static func publicAnswer(target: String) -> MetadataAnswer? {
        MetadataPath(target: target).elements.isEmpty ? .text(EC2Version.list) : nil
    }

    /// As DHCP would give it to the guest.
    var qualifiedHostname: String {
        instance.hostname + (inventory.dhcpDomain.isEmpty ? "" : ".\(inventory.dhcpDomain)")
    }
}
