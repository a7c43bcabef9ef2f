import Glibc
import Logging

/// One thing that was logged, before it becomes a line.
struct LogRecord: Sendable {
    var level: LogLevel
    /// The Python logger's name, which is the swift-log label.
    var name: String
    /// With the metadata behind it, still as it came: escaping is the formatter's work.
    var message: String
    /// What the message says about instance, request and user; see `LogContext`.
    var context: [String: String] = [:]
    /// Metadata that is not context, sorted by key.
    var extra: [(key: String, value: String)] = []
    var error: String?
    var time: LogTime
    var file: String = ""
    var function: String = ""
    var line: Int = 0
    var process: Int
    var thread: UInt

    init(
        level: LogLevel,
        name: String,
        message: String,
        time: LogTime = .now,
        process: Int = Int(getpid()),
        thread: UInt = UInt(pthread_self())
    ) {
        self.level = level
        self.name = name
        self.message = message
        self.time = time
        self.process = process
        self.thread = thread
    }

    /// Divides metadata into context, which has its own places in oslo.log's formats, and the rest.
    ///
    /// `instance` is always context. The other names are it only in a line that has a `request_id`, because
    /// only then oslo.log uses the format that shows them.
    mutating func setMetadata(_ metadata: Logger.Metadata) {
        let hasRequest = metadata["request_id"] != nil
        for (key, value) in metadata {
            if key == "instance" || hasRequest && Self.contextKeys.contains(key) {
                context[key] = value.description
            } else {
                extra.append((key, value.description))
            }
        }
        extra.sort { $0.key < $1.key }
    }

    /// What oslo.context puts into a record.
    static let contextKeys: Set<String> = [
        "request_id", "global_request_id", "user_identity", "user", "user_id", "user_name", "user_domain", "tenant",
        "project", "project_id", "project_name", "project_domain", "domain", "system_scope", "resource_uuid",
    ]

    var hasRequest: Bool { context["request_id"] != nil }
}
