import LinuxHost
import Logging
import Synchronization

/// Logging as oslo.log's programs do it: the same options, the same lines, the same places.
///
/// Everything logs through swift-log; the label of a logger is the Python logger's name. Set up once, before
/// privileges are dropped, since the log file's directory usually belongs to root or the service's user.
public enum OsloLog {
    private static let isSetUp = Mutex(false)

    /// Makes the settings' log that of all loggers created from now on, and logs the settings' own warnings.
    ///
    /// - Throws: `fileUnusable`, or `alreadySetUp` on the second call in a process.
    public static func bootstrap(_ settings: LogSettings) throws(LogError) -> LogControl {
        // A reader that closes its end of standard error must not end the program.
        SignalSource.ignoreBrokenPipes()
        let control = try LogControl(settings)
        let isFirst = isSetUp.withLock { isSetUp in
            defer { isSetUp = true }
            return !isSetUp
        }
        guard isFirst else {
            throw LogError(code: .alreadySetUp, message: "Logging is set up already; it can be set up only once.")
        }
        LoggingSystem.bootstrap(
            { label, provider in control.handler(label: label, metadataProvider: provider) },
            metadataProvider: nil
        )
        let logger = Logger(label: "oslo_log")
        for warning in settings.warnings { logger.warning("\(warning)") }
        return control
    }
}
