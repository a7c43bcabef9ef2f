import Glibc
import LinuxHost
import MetadataAgent
import OsloConfig

// Before any other thread: see SignalSource.process. A failure is reported by whoever asks for the signals.
_ = SignalSource.process

// Not awaited here: an asynchronous main thread waits with an empty signal mask, and signals would end the process.
Task.detached {
    exit(
        await AgentMain.run(
            arguments: Array(CommandLine.arguments.dropFirst()),
            environment: ProcessEnvironment.read()
        )
    )
}

while true { pause() }
