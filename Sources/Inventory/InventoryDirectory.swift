import InstanceDirectory
import MetadataModel
import Synchronization

/// Answers "who is asking?" from an inventory file.
///
/// Every question is answered from one snapshot; `reload()` puts a new one in its place, and a file that
/// cannot be used leaves the old one there.
public final class InventoryDirectory: InstanceDirectory {
    public let name = "inventory"

    /// The inventory and, made once from it, what a claim is looked up in.
    private struct Snapshot {
        let inventory: Inventory
        let owners: [Key: [Instance]]

        struct Key: Hashable {
            let network: ResourceID
            let subject: Claim.Subject
        }

        init(_ inventory: Inventory) {
            self.inventory = inventory
            var owners: [Key: [Instance]] = [:]
            for instance in inventory.instances {
                for port in instance.ports {
                    let subjects = port.fixedIPs.map(Claim.Subject.fixedIP) + [.mac(port.mac)]
                    for subject in subjects {
                        owners[Key(network: port.networkID, subject: subject), default: []].append(instance.owner)
                    }
                }
            }
            self.owners = owners
        }
    }

    private let snapshot: Mutex<Snapshot>
    private let load: @Sendable () throws(InventoryError) -> Inventory

    /// Reads the file at `path` now, and again at each `reload()`.
    public convenience init(path: String) throws(InventoryError) {
        try self.init { () throws(InventoryError) in try InventoryFile.load(path: path) }
    }

    /// - Parameter load: gives the inventory now and at each `reload()`.
    public init(load: @escaping @Sendable () throws(InventoryError) -> Inventory) throws(InventoryError) {
        self.load = load
        snapshot = Mutex(Snapshot(try load()))
    }

    /// What answers at this moment.
    public var inventory: Inventory { snapshot.withLock { $0.inventory } }

    /// Reads the file again. After an error everything is as before.
    public func reload() throws(InventoryError) {
        let fresh = Snapshot(try load())
        snapshot.withLock { $0 = fresh }
    }

    public func find(_ claim: Claim) async throws(DirectoryError) -> Finding {
        let snapshot = snapshot.withLock { $0 }
        let networks: [ResourceID]
        switch claim.scope {
        case .network(let id): networks = [id]
        case .router(let id): networks = snapshot.inventory.router(id)?.networkIDs ?? []
        }
        guard !networks.isEmpty else { return .nobody(.routerWithoutNetworks) }
        let owners = networks.flatMap { network in
            snapshot.owners[Snapshot.Key(network: network, subject: claim.subject)] ?? []
        }
        guard let owner = owners.first else { return .nobody(.noPort) }
        return owners.count == 1 ? .instance(owner) : .nobody(.severalPorts(count: owners.count))
    }
}
