import Glibc
import LinuxHost
import MetadataAgent
import OsloConfig

// Before the first await: see SignalSource.process. A failure is reported by whoever asks for the signals.
_ = SignalSource.process

exit(
    await AgentMain.run(
        arguments: Array(CommandLine.arguments.dropFirst()),
        environment: ProcessEnvironment.read()
    )
)
