import ArgumentParser
import MetadataAgent
import OsloConfig

/// `bellhop sample-config`: a commented `metadata_agent.ini` with every option.
struct SampleConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sample-config",
        abstract: "Print a commented sample configuration of neutron-metadata-agent."
    )

    func run() async throws {
        print(SampleConfig.render(options: AgentMain.options), terminator: "")
    }
}
