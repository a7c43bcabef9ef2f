import Foundation
import MetadataAgent

exit(
    await AgentMain.run(
        arguments: Array(CommandLine.arguments.dropFirst()),
        environment: ProcessInfo.processInfo.environment
    )
)
