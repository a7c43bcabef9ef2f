import OsloMessaging

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// What the agent says about itself to the Neutron server, which shows it in `openstack network agent show`.
public struct AgentReport: Sendable {
    /// `host` of the configuration: with the agent's type it is the agent's identity.
    public var host: String
    public var socketPath: String
    public var novaHost: String
    public var novaPort: Int
    /// Asks the server to log each report.
    public var logsHeartbeats: Bool

    public init(host: String, socketPath: String, novaHost: String, novaPort: Int, logsHeartbeats: Bool) {
        self.host = host
        self.socketPath = socketPath
        self.novaHost = novaHost
        self.novaPort = novaPort
        self.logsHeartbeats = logsHeartbeats
    }

    /// `report_state`, version 1.0: every server since Grizzly takes it.
    ///
    /// - Parameters:
    ///   - isFirst: the agent has just started. The server then notes the time of the start.
    ///   - time: the server ignores reports from before its own start, so it must be the time of sending.
    func method(isFirst: Bool, at time: Date) -> RemoteMethod {
        var state: [String: JSONValue] = [
            "binary": "neutron-metadata-agent",
            "host": .string(host),
            "topic": "N/A",
            "agent_type": "Metadata agent",
            "configurations": [
                "metadata_proxy_socket": .string(socketPath),
                // Its name up to Pike, and the one since.
                "nova_metadata_ip": .string(novaHost),
                "nova_metadata_host": .string(novaHost),
                "nova_metadata_port": .integer(novaPort),
                "log_agent_heartbeats": .boolean(logsHeartbeats),
            ],
            "uuid": .string(MessageID().hyphenated),
        ]
        if isFirst { state["start_flag"] = true }
        return RemoteMethod(
            "report_state",
            arguments: [
                "agent_state": ["agent_state": .object(state)],
                "time": .string(Timestamp.text(time)),
            ]
        )
    }
}
