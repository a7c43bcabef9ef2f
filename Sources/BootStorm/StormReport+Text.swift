/// The report for people.
extension StormReport {
    public func text() -> String {
        var lines = [headline, ""]
        if let boots {
            lines.append(Self.line("boots", "\(boots.begun) begun, \(boots.complete) complete"))
            let losses = [
                (boots.withoutUserData, "without user data"), (boots.withoutVendorData, "without vendor data"),
                (boots.withoutNetworkData, "without network data"), (boots.withoutEc2Tree, "without EC2 tree"),
                (boots.noDataSource, "with no data source"), (boots.unfinished, "unfinished"),
            ]
            lines.append(Self.line("", losses.map { "\($0.0) \($0.1)" }.joined(separator: ", ")))
            for (reason, count) in Self.sorted(boots.reasons) { lines.append(Self.line("", "\(count) × \(reason)")) }
            lines.append(Self.line("boot time", Self.text(boots.seconds, unit: "s")))
            if boots.wastedSeconds.count > 0 {
                lines.append(Self.line("gave up in", Self.text(boots.wastedSeconds, unit: "s")))
            }
            var instances = "\(boots.instances)"
            if boots.instancesAtSeveralAddresses > 0 {
                instances += ", of which \(boots.instancesAtSeveralAddresses) at more than one address"
            }
            lines.append(Self.line("instances", instances))
        }
        lines += Self.lines(requests, "requests")
        if let pollsSkipped, pollsSkipped > 0 {
            lines.append(Self.line("", "\(pollsSkipped) polls skipped, the one before being unanswered"))
        }
        if let abusive { lines += Self.lines(abusive, "abusive") }
        for each in hostile { lines.append(Self.line(each.kind, Self.text(each))) }
        return lines.joined(separator: "\n")
    }

    private var headline: String {
        let what = boots == nil ? "Polling" : "Boot storm"
        let early = interrupted ? ", interrupted" : ""
        return "\(what): \(guests) guests at \(targets) \(targets == 1 ? "target" : "targets"), \(profile),"
            + " \(Self.number(seconds)) s\(early)"
    }

    /// One line that fits a terminal: what is going on.
    public func progress() -> String {
        var parts: [String] = []
        if let boots {
            let ended = boots.begun - boots.unfinished
            parts.append("\(boots.begun) of \(guests) guests begun, \(ended) ended, \(boots.complete) complete")
        }
        let errors = requests.errors.values.reduce(0, +)
        parts.append("\(requests.answered) answers, \(Int(requests.perSecond))/s, \(errors) errors")
        if let abusive { parts.append("abusive \(Int(abusive.perSecond))/s") }
        return "\(Int(seconds)) s: " + parts.joined(separator: ", ")
    }

    private static func lines(_ requests: Requests, _ name: String) -> [String] {
        let count = "\(requests.begun) begun, \(requests.answered) answered, \(Int(requests.perSecond))/s"
        let statuses = sorted(requests.statuses).map { "\($0.0): \($0.1)" }
        var lines = [line(name, ([count] + statuses).joined(separator: ", "))]
        for (reason, count) in sorted(requests.errors) { lines.append(line("", "\(count) × \(reason)")) }
        if requests.shortBodies > 0 { lines.append(line("", "\(requests.shortBodies) bodies shorter than announced")) }
        lines.append(line("latency", text(requests.milliseconds, unit: "ms")))
        return lines
    }

    private static func text(_ hostile: Hostile) -> String {
        var parts = ["\(hostile.connections) connections"]
        let rest = [
            (hostile.notConnected, "not connected"), (hostile.thrownOut, "thrown out"),
            (hostile.outlasted, "outlasted"), (hostile.left, "left"),
        ]
        parts += rest.filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }
        parts += sorted(hostile.statuses).map { "\($0.0): \($0.1)" }
        if hostile.thrownOut > 0 {
            parts.append("kept \(number(hostile.keptSeconds.p50)) s, at most \(number(hostile.keptSeconds.most)) s")
        }
        return parts.joined(separator: ", ")
    }

    private static func text(_ times: Times, unit: String) -> String {
        if times.count == 0 { return "none" }
        let marks = [("p50", times.p50), ("p90", times.p90), ("p99", times.p99), ("max", times.most)]
        return marks.map { "\($0.0) \(number($0.1)) \(unit)" }.joined(separator: ", ")
    }

    private static func sorted(_ counts: [String: Int]) -> [(String, Int)] {
        counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { ($0.key, $0.value) }
    }

    private static func line(_ name: String, _ text: String) -> String {
        "  " + name + String(repeating: " ", count: max(12 - name.count, 1)) + text
    }

    /// With as many decimals as mean something: `0.42`, `3.1`, `128`.
    static func number(_ value: Double) -> String {
        let decimals = value < 1 ? 2 : value < 100 ? 1 : 0
        let scale = decimals == 2 ? 100 : decimals == 1 ? 10 : 1
        let scaled = Int((value * Double(scale)).rounded())
        guard decimals > 0 else { return "\(scaled)" }
        let fraction = "\(scaled % scale)"
        return "\(scaled / scale).\(String(repeating: "0", count: decimals - fraction.count))\(fraction)"
    }
}
