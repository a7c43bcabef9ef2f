import Inventory
import MetadataModel

/// What `bellhop serve` was asked for.
public struct StandaloneOptions: Sendable {
    public var inventoryPath: String
    /// `ADDRESS:PORT=NETWORK`, in addition to the inventory's own listeners.
    public var listen: [String] = []
    /// Where to serve as Nova, for real agents.
    public var novaAddress: (host: String, port: Int)?
    /// Nil for a random one, which is enough unless others sign or check too.
    public var secret: String?
    public var proxySocketPath: String?
    /// Where passwords that guests post survive a restart; nil for memory only.
    public var passwordFile: String?
    public var holdSeconds = 8.5
    public var workers = 1

    public init(inventoryPath: String) {
        self.inventoryPath = inventoryPath
    }

    /// One listening address for guests.
    struct GuestDoor: Sendable {
        var index: Int
        var address: IPAddress
        var port: UInt16
        /// Bind to this interface only.
        var interface: String?
        var scope: Scope

        var text: String { address.isV6 ? "[\(address)]:\(port)" : "\(address):\(port)" }
    }

    func doors(inventory: Inventory) throws(StandaloneOptionError) -> [GuestDoor] {
        var doors: [GuestDoor] = []
        for listener in inventory.listeners {
            doors.append(
                GuestDoor(
                    index: doors.count,
                    address: listener.address,
                    port: listener.port,
                    interface: listener.interface,
                    scope: listener.scope
                )
            )
        }
        for text in listen {
            let (address, port, name) = try Self.parseListen(text)
            guard let scope = Self.scope(named: name, in: inventory) else {
                throw StandaloneOptionError("--listen \(text): the inventory has no network or router \"\(name)\".")
            }
            doors.append(GuestDoor(index: doors.count, address: address, port: port, scope: scope))
        }
        guard !doors.isEmpty || proxySocketPath != nil || novaAddress != nil else {
            throw StandaloneOptionError(
                "There is nothing to listen on: give --listen ADDRESS:PORT=NETWORK, or `listeners` in the inventory."
            )
        }
        return doors
    }

    private static func parseListen(
        _ text: String
    ) throws(StandaloneOptionError) -> (address: IPAddress, port: UInt16, name: String) {
        let parts = text.split(separator: "=", maxSplits: 1)
        guard parts.count == 2, let (host, port) = splitPort(String(parts[0])), let address = IPAddress(host),
            let number = UInt16(port), number > 0
        else {
            throw StandaloneOptionError("--listen \(text): expected ADDRESS:PORT=NETWORK, as in 127.0.0.1:8169=lab.")
        }
        return (address, number, String(parts[1]))
    }

    /// `HOST:PORT` or `[IPv6]:PORT`; nil if it is neither.
    public static func splitPort(_ text: String) -> (host: String, port: String)? {
        guard let colon = text.lastIndex(of: ":") else { return nil }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard !host.isEmpty else { return nil }
        return (String(host), String(text[text.index(after: colon)...]))
    }

    /// By name or by id, networks first.
    private static func scope(named name: String, in inventory: Inventory) -> Scope? {
        if let network = inventory.networks.first(where: { $0.name == name || "\($0.id)" == name }) {
            return .network(network.id)
        }
        if let router = inventory.routers.first(where: { $0.name == name || "\($0.id)" == name }) {
            return .router(router.id)
        }
        return nil
    }
}

/// A command line that cannot be carried out.
public struct StandaloneOptionError: Error, Sendable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}
