import Glibc
import NamespaceProxy
import OsloConfig

let arguments = Array(CommandLine.arguments.dropFirst())

// One program under two names: agents up to Ocata start the one, later ones the other.
let name = CommandLine.arguments.first?.split(separator: "/").last ?? ""
exit(
    name == HaproxyMain.program[...]
        ? HaproxyMain.run(arguments: arguments)
        : NamespaceProxyMain.run(arguments: arguments, environment: ProcessEnvironment.read())
)
