import Logging

/// swift-log's side: a logger whose label is the name of the Python logger that an operator knows, such as
/// `neutron.agent.metadata.agent`.
public struct OsloLogHandler: LogHandler {
    public var metadata: Logger.Metadata = [:]
    public var metadataProvider: Logger.MetadataProvider?

    private let core: LogCore
    private let gate: LogGate
    private let label: String
    private var ownLevel: Logger.Level?

    init(label: String, core: LogCore, metadataProvider: Logger.MetadataProvider? = nil) {
        self.label = label
        self.core = core
        self.metadataProvider = metadataProvider
        gate = core.thresholds.gate(for: label)
    }

    /// Follows the configuration, and SIGHUP, until it is set on this very logger.
    public var logLevel: Logger.Level {
        get { ownLevel ?? gate.level }
        set { ownLevel = newValue }
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        var record = LogRecord(level: LogLevel(event.level), name: label, message: event.message.description)
        var all = metadataProvider?.get() ?? [:]
        all.merge(metadata) { _, own in own }
        if let given = event.metadata { all.merge(given) { _, given in given } }
        if !all.isEmpty { record.setMetadata(all) }
        record.error = event.error.map { "\(type(of: $0)): \($0)" }
        record.file = event.file
        record.function = event.function
        record.line = Int(clamping: event.line)
        core.log(record)
    }
}
