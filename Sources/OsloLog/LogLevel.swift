import Logging

/// Python's levels, as they stand in log lines and in `default_log_levels`.
public enum LogLevel: Int, CaseIterable, Comparable, Sendable {
    case debug = 10
    case info = 20
    case warning = 30
    case error = 40
    case critical = 50

    /// swift-log knows seven levels and operators' filters know five.
    public init(_ level: Logger.Level) {
        switch level {
        case .trace, .debug: self = .debug
        case .info, .notice: self = .info
        case .warning: self = .warning
        case .error: self = .error
        case .critical: self = .critical
        }
    }

    /// As in `%(levelname)s`.
    public var name: String {
        switch self {
        case .debug: "DEBUG"
        case .info: "INFO"
        case .warning: "WARNING"
        case .error: "ERROR"
        case .critical: "CRITICAL"
        }
    }

    /// RFC 5424's severity.
    var syslogSeverity: Int {
        switch self {
        case .debug: 7
        case .info: 6
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }

    /// The escape sequence of `%(color)s`, oslo.log's choice of colours.
    var color: String {
        switch self {
        case .debug: "\u{1B}[00;32m"
        case .info: "\u{1B}[00;36m"
        case .warning: "\u{1B}[01;33m"
        case .error, .critical: "\u{1B}[01;31m"
        }
    }

    /// A threshold as `default_log_levels` gives it: a name of Python's or oslo.log's, or a number. Nil if it
    /// is neither.
    static func threshold(_ text: String) -> Logger.Level? {
        let number: Int? =
            switch text {
            case "NOTSET": 0
            case "TRACE": 5
            case "DEBUG": 10
            case "INFO": 20
            case "AUDIT": 21
            case "WARNING", "WARN": 30
            case "ERROR": 40
            case "CRITICAL", "FATAL": 50
            default: Int(text)
            }
        return switch number {
        case nil: nil
        case .some(..<10): .trace
        case .some(10): .debug
        case .some(11...20): .info
        // Between INFO and WARNING only AUDIT existed, which Juno's programs used for what we call a notice.
        case .some(21...29): .notice
        case .some(30): .warning
        case .some(31...40): .error
        case .some: .critical
        }
    }

    public static func < (left: LogLevel, right: LogLevel) -> Bool { left.rawValue < right.rawValue }
}
