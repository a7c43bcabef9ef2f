import Glibc
import OsloConfig

/// What this host is called and where its state lives.
enum HostOptions {
    static let all: [Option] = [
        Option(
            "host",
            kind: .string(),
            defaultValue: hostName,
            help: "Name under which this agent reports to the Neutron server. It must be unique among the "
                + "metadata agents and stay the same over restarts, or the agent list shows the old name as down.",
            sampleDefault: "<name of this host>",
            since: "Grizzly"
        ),
        Option(
            "state_path",
            kind: .string(),
            defaultValue: "/var/lib/neutron",
            help: "Directory for files that Neutron keeps while it runs. The default path of the metadata socket "
                + "starts here, so the agent and the namespace proxies must agree on it.",
            commandLine: Option.CommandLine(["state_path"]),
            since: "Grizzly"
        ),
    ]

    /// The kernel's name for this host, as Python's `gethostname()` gives it.
    private static var hostName: String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0 else { return "localhost" }
        let bytes = name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return String(decoding: bytes, as: UTF8.self)
    }
}
