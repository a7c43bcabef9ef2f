import Glibc
import NamespaceProxy
import OsloConfig

exit(Personality.run(CommandLine.arguments, environment: ProcessEnvironment.read))
