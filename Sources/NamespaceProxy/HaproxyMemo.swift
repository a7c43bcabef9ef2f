import HaproxyConfig
import MetadataModel
import RelayLoop

/// What the proxy wants to know again when it serves after it has stood by, and the offer to the agent does not say:
/// the configuration's file may be another one by then, or gone. Text, a line per field.
struct HaproxyMemo: Equatable, Sendable {
    var logs: [HaproxyLog] = []
    /// `option httplog`.
    var logsRequests = true
    /// `option dontlognull`.
    var omitsSilentConnections = false
    /// `timeout connect`.
    var connectTimeout: LoopSpan?

    init() {}

    init(_ plan: HaproxyPlan) {
        logs = plan.logs
        logsRequests = plan.logsRequests
        omitsSilentConnections = plan.omitsSilentConnections
        connectTimeout = plan.timeouts.connect.map { .milliseconds(UInt64(max($0, 1))) }
    }

    var text: String {
        var lines = logs.map { "log \($0.facility) \($0.level) \($0.path)" }
        lines.append("requests \(logsRequests) \(omitsSilentConnections)")
        if let connectTimeout { lines.append("connect \(connectTimeout.milliseconds)") }
        return lines.joined(separator: "\n")
    }

    /// Lines that are not understood are another version's.
    init(text: String) {
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 3)
            switch (words.first, words.count) {
            case ("log", 4):
                guard let facility = Int(words[1]), let level = Int(words[2]) else { continue }
                logs.append(HaproxyLog(path: String(words[3]), facility: facility, level: level))
            case ("requests", 3): (logsRequests, omitsSilentConnections) = (words[1] == "true", words[2] == "true")
            case ("connect", 2): connectTimeout = UInt64(words[1]).map { .milliseconds($0) }
            default: continue
            }
        }
    }
}
