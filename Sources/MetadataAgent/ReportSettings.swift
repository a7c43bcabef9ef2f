import NeutronRPC
import OsloConfig

/// State reports, as the options want them.
public struct ReportSettings: Sendable {
    public var interval: Duration
    public var topic: StateReporter.Topic
    public var logsHeartbeats: Bool
    /// `nova_metadata_host` and `nova_metadata_port`, as the operator wrote them.
    public var novaHost: String
    public var novaPort: Int

    /// Nil if `report_interval` is 0.
    init?(_ configuration: Configuration) {
        interval = configuration.seconds("report_interval", group: "AGENT") ?? .seconds(30)
        guard interval > .zero else { return nil }
        logsHeartbeats = configuration.boolean("log_agent_heartbeats", group: "AGENT") ?? false
        novaHost = configuration.string("nova_metadata_host") ?? ""
        novaPort = configuration.integer("nova_metadata_port") ?? 8_775
        switch configuration.string("report_topic", group: "bellhop") {
        case let name? where name != "auto": topic = .fixed(name)
        default: topic = .automatic
        }
    }
}
