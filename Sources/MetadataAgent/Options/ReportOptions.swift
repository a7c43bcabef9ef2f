import OsloConfig

/// State reports, by which the Neutron server knows that the agent is alive.
enum ReportOptions {
    static let all: [Option] = [
        Option(
            "report_interval",
            group: "AGENT",
            kind: .float(min: 0),
            defaultValue: "30",
            help: "Seconds between two state reports to the Neutron server; 0 turns reports off. Keep it below half "
                + "the server's agent_down_time, or the agent shows as down.",
            since: "Icehouse"
        ),
        Option(
            "log_agent_heartbeats",
            group: "AGENT",
            kind: .boolean,
            defaultValue: "false",
            help: "Ask the Neutron server to log every state report of this agent. The agent only passes the value on.",
            since: "Liberty"
        ),
    ]
}
