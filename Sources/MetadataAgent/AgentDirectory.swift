import InstanceDirectory
import Inventory
import NeutronREST
import ServiceLifecycle

/// The configured directory of instances, with the life it has beside the requests.
struct AgentDirectory: Service {
    let directory: any InstanceDirectory
    private let inventory: InventoryDirectory?
    private let rest: NeutronRESTDirectory?

    /// - Throws: `InventoryError` naming file, line and key, or `DirectoryError`.
    init(_ kind: AgentSettings.DirectoryKind) throws {
        switch kind {
        case .inventory(let path):
            let inventory = try InventoryDirectory(path: path)
            self.inventory = inventory
            rest = nil
            directory = inventory
        case .rest(let settings):
            let rest = try NeutronRESTDirectory(settings: settings, logger: AgentLog.agent)
            self.rest = rest
            inventory = nil
            directory = rest
        }
    }

    /// Takes a changed inventory file into use. After an error everything is as before.
    func reload() throws {
        try inventory?.reload()
    }

    func run() async throws {
        try? await gracefulShutdown()
        await rest?.shutdown()
    }
}
