import Glibc
import LinuxHost
import Logging
import OsloConfig

/// What oslo.log's options come to: where lines go, from which level on, and how they look.
public struct LogSettings: Sendable {
    /// The program's base name: the log file's in `log_dir`, and what syslog and the journal show.
    public var program: String
    /// `%(project)s` without a request.
    public var product = "neutron"
    /// `%(version)s`.
    public var version = "unknown"

    public var isDebug = false
    /// What the root logger takes when debugging is off.
    public var quietLevel = Logger.Level.info
    /// Thresholds of loggers and what is below them; see `default_log_levels`.
    public var levels: [String: Logger.Level] = [:]

    /// Absolute, because a daemon changes its directory.
    public var filePath: String?
    /// Whether a file that was moved away is noticed.
    public var watchesFile = true
    var rotation = LogRotation.none
    public var usesStandardError = false
    public var usesSyslog = false
    public var usesJournal = false
    /// 0 to 23, as in RFC 5424.
    public var facility = 1

    public var usesJSON = false
    public var isColored = false
    public var dateFormat = "%Y-%m-%d %H:%M:%S"
    public var defaultFormat = LoggingOptions.defaultFormat
    public var contextFormat = LoggingOptions.contextFormat
    public var debugFormatSuffix = "%(funcName)s %(pathname)s:%(lineno)d"
    public var instanceFormat = "[instance: %(uuid)s] "
    public var userIdentityFormat = LoggingOptions.userIdentityFormat
    var rateLimit: LogRateLimit?

    /// What the operator should know about these settings; logged once logging is up.
    public var warnings: [String] = []

    /// The defaults of oslo.log: to standard output, from INFO on.
    public init(program: String) {
        self.program = program
    }

    /// Standard output is used if nothing else is; syslog comes in addition to whatever there is.
    var usesStandardOutput: Bool { filePath == nil && !usesStandardError && !usesJournal }

    /// - Parameters:
    ///   - configuration: must know the options of `LoggingOptions.all`.
    ///   - program: the program's base name.
    ///   - workingDirectory: what a relative path starts from; nil for the current directory.
    ///   - watchesFile: false for `--nometadata_proxy_watch_log`.
    /// - Throws: `badOption` if a value cannot be used.
    public init(
        _ configuration: Configuration,
        program: String,
        workingDirectory: String? = nil,
        watchesFile: Bool = true
    ) throws(LogError) {
        self.init(program: program)
        self.watchesFile = watchesFile
        isDebug = configuration.boolean("debug") ?? false
        // Up to Newton `verbose = false` asked for warnings only; later nobody set it any more.
        if configuration.boolean("verbose") == false { quietLevel = .warning }
        readLevels(configuration.list("default_log_levels"))
        readOutputs(configuration, workingDirectory: workingDirectory)
        guard let facility = SyslogMessage.facility(configuration.string("syslog_log_facility") ?? "USER") else {
            throw LogError(
                code: .badOption,
                message: "syslog_log_facility must be one of LOG_KERN, LOG_USER, LOG_DAEMON, LOG_LOCAL0 to LOG_LOCAL7"
                    + " and the other names of syslog(3), not \(configuration.string("syslog_log_facility") ?? "")."
            )
        }
        self.facility = facility
        readFormats(configuration)
        rotation = Self.rotation(configuration)
        rateLimit = LogRateLimit(
            intervalSeconds: configuration.integer("rate_limit_interval") ?? 0,
            burst: configuration.integer("rate_limit_burst") ?? 0,
            exceptLevel: configuration.string("rate_limit_except_level") ?? "CRITICAL"
        )
    }

    private mutating func readLevels(_ pairs: [String]) {
        for pair in pairs where !pair.isEmpty {
            let parts = pair.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, let level = LogLevel.threshold(parts[1]) else {
                warnings.append(
                    "default_log_levels: \(pair.debugDescription) is not LOGGER=LEVEL with a level such as INFO;"
                        + " it is ignored"
                )
                continue
            }
            levels[parts[0]] = level
        }
    }

    private mutating func readOutputs(_ configuration: Configuration, workingDirectory: String?) {
        let file = configuration.string("log_file").flatMap { $0.isEmpty ? nil : $0 }
        let directory = configuration.string("log_dir").flatMap { $0.isEmpty ? nil : $0 }
        let relative: String? =
            switch (file, directory) {
            case (nil, nil): nil
            case (let file?, nil): file
            case (nil, let directory?): Self.join(directory, program + ".log")
            case (let file?, let directory?): Self.join(directory, file)
            }
        filePath = relative.map { Self.join(workingDirectory ?? Self.currentDirectory, $0) }
        usesStandardError = configuration.boolean("use_stderr") ?? false
        usesSyslog = configuration.boolean("use_syslog") ?? false
        usesJournal = configuration.boolean("use_journal") ?? false
    }

    private mutating func readFormats(_ configuration: Configuration) {
        func text(_ name: String, _ standard: String) -> String { configuration.string(name) ?? standard }
        usesJSON = configuration.boolean("use_json") ?? false
        isColored = configuration.boolean("log_color") ?? false
        dateFormat = text("log_date_format", dateFormat)
        defaultFormat = text("logging_default_format_string", defaultFormat)
        contextFormat = text("logging_context_format_string", contextFormat)
        debugFormatSuffix = text("logging_debug_format_suffix", debugFormatSuffix)
        userIdentityFormat = text("logging_user_identity_format", userIdentityFormat)
        // Neutron knows instances by their UUID only, for which oslo.log has an option of its own.
        instanceFormat = text("instance_uuid_format", instanceFormat)
    }

    private static func rotation(_ configuration: Configuration) -> LogRotation {
        let filesMax = max(configuration.integer("max_logfile_count") ?? 30, 0)
        switch configuration.string("log_rotation_type")?.lowercased() {
        case "size":
            // A terabyte is as good as no limit, and the product with 2^20 stays in range.
            let megabytes = min(max(configuration.integer("max_logfile_size_mb") ?? 200, 0), 1 << 20)
            return .size(bytesMax: megabytes << 20, filesMax: filesMax)
        case "interval":
            let count = min(max(configuration.integer("log_rotate_interval") ?? 1, 1), 100_000)
            let interval: LogRotation.Interval =
                switch configuration.string("log_rotate_interval_type")?.lowercased() {
                case "seconds": .seconds(count)
                case "minutes": .minutes(count)
                case "hours": .hours(count)
                case "midnight": .midnight(count)
                case "weekday": .weekday((configuration.integer("log_rotate_interval") ?? 0).clamped(to: 0...6))
                default: .days(count)
                }
            return .interval(interval, filesMax: filesMax)
        default: return .none
        }
    }

    private static func join(_ directory: String, _ path: String) -> String {
        if path.hasPrefix("/") { return path }
        return directory.hasSuffix("/") ? directory + path : directory + "/" + path
    }

    private static var currentDirectory: String {
        guard let path = getcwd(nil, 0) else { return "/" }
        defer { free(path) }
        return String(cString: path)
    }
}

extension Int {
    fileprivate func clamped(to range: ClosedRange<Int>) -> Int {
        Swift.min(Swift.max(self, range.lowerBound), range.upperBound)
    }
}
