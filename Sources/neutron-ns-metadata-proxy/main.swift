import Glibc
import NamespaceProxy
import OsloConfig

exit(
    NamespaceProxyMain.run(
        arguments: Array(CommandLine.arguments.dropFirst()),
        environment: ProcessEnvironment.read()
    )
)
