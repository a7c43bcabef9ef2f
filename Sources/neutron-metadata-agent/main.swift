import Glibc
import MetadataAgent
import OsloConfig

exit(
    await AgentMain.run(
        arguments: Array(CommandLine.arguments.dropFirst()),
        environment: ProcessEnvironment.read()
    )
)
