import InstanceDirectory
import Inventory
import NeutronREST
import NeutronRPC
import OsloMessaging
import ServiceLifecycle

/// The configured directory of instances, with the life it has beside the requests.
struct AgentDirectory: Service {
    let directory: any InstanceDirectory
    private let inventory: InventoryDirectory?
    private let rest: NeutronRESTDirectory?

    /// - Parameter bus: must be there if `settings.messaging` is.
    /// - Throws: `InventoryError` naming file, line and key, or `DirectoryError`.
    init(_ settings: AgentSettings, bus: MessageBus?) throws {
        switch settings.directory {
        case .inventory(let path):
            let inventory = try InventoryDirectory(path: path)
            self.inventory = inventory
            rest = nil
            directory = inventory
        case .rpc(let fallback):
            guard let bus else { throw DirectoryError(.misconfigured, "There is no message bus: set transport_url.") }
            inventory = nil
            rest = try fallback.map { try NeutronRESTDirectory(settings: $0, logger: AgentLog.agent) }
            directory = Self.rpc(bus, settings.rpcTimeout, rest)
        case .rest(let settings):
            let rest = try NeutronRESTDirectory(settings: settings, logger: AgentLog.agent)
            self.rest = rest
            inventory = nil
            directory = rest
        }
    }

    private static func rpc(
        _ bus: MessageBus,
        _ timeout: Duration,
        _ rest: NeutronRESTDirectory?
    ) -> any InstanceDirectory {
        guard let rest else { return NeutronRPCDirectory(client: bus, timeout: timeout, logger: AgentLog.agent) }
        return FallbackDirectory(
            rpc: NeutronRPCDirectory(
                client: bus,
                timeout: min(timeout, FallbackDirectory.rpcTimeout),
                logger: AgentLog.agent
            ),
            rest: rest,
            logger: AgentLog.agent
        )
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
