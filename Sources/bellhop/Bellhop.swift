import ArgumentParser
import MetadataModel

/// `bellhop`: the standalone service and the operator's commands.
struct Bellhop: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bellhop",
        abstract: "Instance metadata: the standalone service, and tools for operators.",
        version: BellhopVersion.text,
        subcommands: [Serve.self, Check.self, StormCommand.self, SampleConfigCommand.self]
    )
}
