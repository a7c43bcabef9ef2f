import Logging
import OsloConfig

/// What every agent of Neutron's writes when it starts: that logging works, who is speaking, the command line, and (at
/// DEBUG) every option with its value, secrets masked.
public enum StartLines {
    /// - Parameter main: the logger of the program's main module, under whose name the options are dumped.
    public static func write(program: String, version: String, _ configuration: Configuration, main: Logger) {
        let common = Logger(label: "neutron.common.config")
        common.info("Logging enabled!")
        common.info("\(program) version \(version)")
        common.debug("command line: \(program) \(configuration.arguments.joined(separator: " "))")
        if main.logLevel <= .debug {
            for line in configuration.optionDump() { main.debug("\(line)") }
        }
        for warning in configuration.warnings { common.warning("\(warning)") }
    }
}
