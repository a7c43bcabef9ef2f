import OsloConfig

/// Every option of oslo.log since Juno, in the spelling of files (underscores) and command lines (dashes).
public enum LoggingOptions {
    public static let all: [Option] = levels + outputs + rotation + formats + limits

    static let defaultFormat =
        "%(asctime)s.%(msecs)03d %(process)d %(levelname)s %(name)s [-] %(instance)s%(message)s"
    static let contextFormat =
        "%(asctime)s.%(msecs)03d %(process)d %(levelname)s %(name)s"
        + " [%(global_request_id)s %(request_id)s %(user_identity)s] %(instance)s%(message)s"
    static let userIdentityFormat =
        "%(user)s %(project)s %(domain)s %(system_scope)s %(user_domain)s %(project_domain)s"

    private static let levels: [Option] = [
        Option(
            "debug",
            kind: .boolean,
            defaultValue: "false",
            help: "Log from DEBUG on instead of INFO. Read again on SIGHUP.",
            commandLine: Option.CommandLine(["debug"], short: "d"),
            since: "Juno"
        ),
        Option(
            "verbose",
            kind: .boolean,
            defaultValue: "true",
            help: "False logs from WARNING on, unless debug is set.",
            commandLine: Option.CommandLine(["verbose"], short: "v"),
            deprecatedForRemoval: "Neutron has had no such option since Pike",
            since: "Juno",
            until: "Ocata"
        ),
        Option(
            "default_log_levels",
            kind: .list,
            defaultValue: defaultLevels.joined(separator: ","),
            help: "Thresholds of single loggers and of those below them, as LOGGER=LEVEL.",
            since: "Juno"
        ),
    ]

    /// oslo.log's own list. Only the loggers of messaging exist here, but a list in a file replaces all of it.
    private static let defaultLevels = [
        "amqp=WARN", "boto=WARN", "sqlalchemy=WARN", "suds=INFO", "oslo.messaging=INFO", "oslo_messaging=INFO",
        "iso8601=WARN", "requests.packages.urllib3.connectionpool=WARN", "urllib3.connectionpool=WARN",
        "websocket=WARN", "requests.packages.urllib3.util.retry=WARN", "urllib3.util.retry=WARN",
        "keystonemiddleware=WARN", "routes.middleware=WARN", "stevedore=WARN", "taskflow=WARN",
        "keystoneauth=WARN", "oslo.cache=INFO", "oslo_policy=INFO", "dogpile.core.dogpile=INFO",
    ]

    private static let outputs: [Option] = [
        Option(
            "log_config_append",
            kind: .string(),
            help: "A configuration file for Python's logging.",
            commandLine: Option.CommandLine(["log-config-append", "log-config"]),
            deprecatedNames: [Option.Name(name: "log_config")],
            effect: .none("it is a program for Python's logging; the other logging options are used"),
            since: "Juno"
        ),
        Option(
            "log_file",
            kind: .string(),
            help: "Path of the log file, from log_dir if it is relative. It is opened again when it was moved away.",
            commandLine: Option.CommandLine(["log-file", "logfile"]),
            deprecatedNames: [Option.Name(name: "logfile")],
            since: "Juno"
        ),
        Option(
            "log_dir",
            kind: .string(),
            help: "Directory of the log file. Without log_file the file has the program's name and .log.",
            commandLine: Option.CommandLine(["log-dir", "logdir"]),
            deprecatedNames: [Option.Name(name: "logdir")],
            since: "Juno"
        ),
        Option(
            "watch_log_file",
            kind: .boolean,
            defaultValue: "false",
            help: "Watch the log file by inotify.",
            commandLine: Option.CommandLine(["watch-log-file"]),
            effect: .none("a log file that was moved away is noticed within a second anyhow"),
            since: "Mitaka",
            until: "2025.1"
        ),
        switched("use_stderr", nil, "Log to standard error, in addition to a file."),
        switched("use_syslog", "use-syslog", "Log to syslog by /dev/log, in addition to everything else."),
        Option(
            "syslog_log_facility",
            kind: .string(),
            defaultValue: "LOG_USER",
            help: "Facility for syslog and the journal, with or without LOG_.",
            commandLine: Option.CommandLine(["syslog-log-facility"]),
            since: "Juno"
        ),
        Option(
            "use_syslog_rfc_format",
            kind: .boolean,
            defaultValue: "false",
            help: "Put the program's name in front of a line for syslog.",
            commandLine: Option.CommandLine(["use-syslog-rfc-format"]),
            effect: .none("the program's name is always there"),
            since: "Juno",
            until: "Liberty"
        ),
        switched("use_journal", "use-journal", "Log to the systemd journal with all fields.", since: "Pike"),
        switched("use_json", "use-json", "Log one JSON object per line.", since: "Queens"),
        switched(
            "log_color",
            nil,
            "Let %(color)s in the formats stand for the level's colour on standard output and standard error.",
            since: "2024.2"
        ),
        Option(
            "publish_errors",
            kind: .boolean,
            defaultValue: "false",
            help: "Send errors as notifications.",
            effect: .none("no notifications are sent"),
            since: "Juno"
        ),
        Option(
            "fatal_deprecations",
            kind: .boolean,
            defaultValue: "false",
            help: "Make uses of deprecated interfaces errors.",
            effect: .none("it concerns Python code only"),
            since: "Juno"
        ),
    ]

    private static let rotation: [Option] = [
        Option(
            "log_rotation_type",
            kind: .string(choices: ["interval", "size", "none"]),
            defaultValue: "none",
            help: "When the log file is put aside: after log_rotate_interval, at max_logfile_size_mb, or by others.",
            ignoresChoiceCase: true,
            since: "Stein"
        ),
        Option(
            "log_rotate_interval",
            kind: .integer(),
            defaultValue: "1",
            help: "Length of the interval; for Weekday the day, 0 being Monday.",
            since: "Stein"
        ),
        Option(
            "log_rotate_interval_type",
            kind: .string(choices: ["Seconds", "Minutes", "Hours", "Days", "Weekday", "Midnight"]),
            defaultValue: "days",
            help: "Unit of log_rotate_interval.",
            ignoresChoiceCase: true,
            since: "Stein"
        ),
        Option(
            "max_logfile_count",
            kind: .integer(),
            defaultValue: "30",
            help: "How many old log files are kept.",
            since: "Stein"
        ),
        Option(
            "max_logfile_size_mb",
            kind: .integer(),
            defaultValue: "200",
            help: "Size in MiB at which the log file is put aside.",
            since: "Stein"
        ),
    ]

    private static let formats: [Option] = [
        Option(
            "log_date_format",
            kind: .string(),
            defaultValue: "%Y-%m-%d %H:%M:%S",
            help: "Format of %(asctime)s, as of strftime, in local time.",
            commandLine: Option.CommandLine(["log-date-format"]),
            since: "Juno"
        ),
        Option(
            "log_format",
            kind: .string(),
            help: "Format of a line.",
            commandLine: Option.CommandLine(["log-format"]),
            effect: .none("set logging_default_format_string instead"),
            since: "Juno",
            until: "Liberty"
        ),
        format("logging_default_format_string", defaultFormat, "Format of a line."),
        format("logging_context_format_string", contextFormat, "Format of a line that belongs to a request."),
        format("logging_debug_format_suffix", "%(funcName)s %(pathname)s:%(lineno)d", "What follows a line at DEBUG."),
        Option(
            "logging_exception_prefix",
            kind: .string(),
            defaultValue: "%(asctime)s.%(msecs)03d %(process)d ERROR %(name)s %(instance)s",
            help: "What stands before each line of a traceback.",
            effect: .none("there are no tracebacks; an error is described in the line itself"),
            since: "Juno"
        ),
        format("logging_user_identity_format", userIdentityFormat, "Format of %(user_identity)s.", since: "Mitaka"),
        Option(
            "instance_format",
            kind: .string(),
            defaultValue: "[instance: %(uuid)s] ",
            help: "Format of %(instance)s if more than the UUID is known.",
            effect: .none("only the UUID is known; set instance_uuid_format"),
            since: "Juno"
        ),
        format("instance_uuid_format", "[instance: %(uuid)s] ", "Format of %(instance)s."),
    ]

    private static let limits: [Option] = [
        Option(
            "rate_limit_interval",
            kind: .integer(),
            defaultValue: "0",
            help: "Seconds for which rate_limit_burst counts. 0 switches limiting off.",
            since: "Ocata"
        ),
        Option(
            "rate_limit_burst",
            kind: .integer(),
            defaultValue: "0",
            help: "The most lines per rate_limit_interval.",
            since: "Ocata"
        ),
        Option(
            "rate_limit_except_level",
            kind: .string(choices: ["CRITICAL", "ERROR", "INFO", "WARNING", "DEBUG", ""]),
            defaultValue: "CRITICAL",
            help: "Lines from this level on are never limited; empty limits all.",
            since: "Ocata"
        ),
    ]

    private static func switched(
        _ name: String,
        _ spelling: String?,
        _ help: String,
        since: String = "Juno"
    ) -> Option {
        Option(
            name,
            kind: .boolean,
            defaultValue: "false",
            help: help,
            commandLine: spelling.map { Option.CommandLine([$0]) },
            since: since
        )
    }

    /// `$` in a format would be a reference to another option; none of the defaults has one.
    private static func format(
        _ name: String,
        _ defaultValue: String,
        _ help: String,
        since: String = "Juno"
    ) -> Option {
        Option(name, kind: .string(), defaultValue: defaultValue, help: help, since: since)
    }
}
