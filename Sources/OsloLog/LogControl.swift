import Logging

/// A running log, for the one place in a program that starts, reloads and stops it.
public final class LogControl: Sendable {
    /// The access log; may be used from all threads.
    public let accessLog: AccessLogWriter

    private let core: LogCore
    private let quietLevel: Logger.Level

    /// Opens everything that the settings name; nothing global is changed.
    ///
    /// - Throws: `fileUnusable`.
    public init(_ settings: LogSettings) throws(LogError) {
        core = try LogCore(settings)
        accessLog = AccessLogWriter(core: core)
        quietLevel = settings.quietLevel
    }

    /// A logger of this log.
    public func logger(label: String) -> Logger {
        Logger(label: label) { [core] in OsloLogHandler(label: $0, core: core) }
    }

    func handler(label: String, metadataProvider: Logger.MetadataProvider?) -> OsloLogHandler {
        OsloLogHandler(label: label, core: core, metadataProvider: metadataProvider)
    }

    /// Opens the log file again if it was moved away, and connects to the log daemons again: for SIGHUP.
    public func reopen() {
        flush()
        core.reopen()
    }

    /// Follows a changed `debug` option (mutable since Newton). Loggers that `default_log_levels` names keep theirs.
    public func setDebug(_ isDebug: Bool) {
        core.thresholds.setRoot(isDebug ? .debug : quietLevel)
    }

    /// Writes out what the access log holds back.
    public func flush() {
        accessLog.flush()
    }
}
