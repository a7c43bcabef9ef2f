import ArgumentParser
import Inventory

/// `bellhop check`: reads an inventory and says everything that is wrong with it.
struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Check an inventory file.")

    @OptionGroup var inventory: InventoryOption

    func run() async throws {
        do throws(InventoryError) {
            let loaded = try InventoryFile.load(path: inventory.inventory)
            print(
                "\(inventory.inventory): \(loaded.networks.count) networks, \(loaded.routers.count) routers,"
                    + " \(loaded.instances.count) instances, \(loaded.listeners.count) listeners"
            )
        } catch {
            throw CommandFailure("\(error)")
        }
    }
}

/// The option that `serve` and `check` share.
struct InventoryOption: ParsableArguments {
    @Option(help: "The inventory file (YAML).")
    var inventory: String
}

/// Ends a command with a sentence on stderr and status 1.
struct CommandFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
