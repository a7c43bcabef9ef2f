extension Configuration {
    /// The option dump that oslo.config programs log at DEBUG when they start, a line per element.
    ///
    /// Secret options show as `****` even when they are empty, and so do the credentials inside any URL:
    /// `transport_url` was dumped in clear before Newton, and arguments always were.
    public func optionDump() -> [String] {
        let files = Value.pythonList(configFiles)
        let arguments = arguments.map { Masking.withoutCredentials($0) }
        var lines = [
            String(repeating: "*", count: 80),
            "Configuration options gathered from:",
            "command line args: \(Value.pythonList(arguments))",
            "config files: \(files)",
            String(repeating: "=", count: 80),
        ]
        var shown: [(name: String, value: String)] = [
            ("config_dir", Value.pythonList(configDirectories)), ("config_file", files),
        ]
        var groups: [(name: String, lines: [(name: String, value: String)])] = []
        for entry in entries {
            let option = entry.option
            let value = option.isSecret ? Masking.mask : Masking.withoutCredentials(entry.value).pythonForm
            if option.group == "DEFAULT" {
                shown.append((option.name, value))
            } else if let index = groups.firstIndex(where: { $0.name == option.group }) {
                groups[index].lines.append((option.name, value))
            } else {
                groups.append((option.group, [(option.name, value)]))
            }
        }
        for (name, value) in shown.sorted(by: { $0.name < $1.name }) { lines.append(Self.dumpLine(name, value)) }
        for group in groups {
            for (name, value) in group.lines.sorted(by: { $0.name < $1.name }) {
                lines.append(Self.dumpLine("\(group.name).\(name)", value))
            }
        }
        lines.append(String(repeating: "*", count: 80))
        return lines
    }

    /// A line break in a value must not be able to forge a log line.
    private static func dumpLine(_ name: String, _ value: String) -> String {
        let padding = String(repeating: " ", count: max(0, 30 - name.count))
        let line = "\(name)\(padding) = \(value)".unicodeScalars.map { $0 == "\n" || $0 == "\r" ? "\\n" : String($0) }
        return line.joined()
    }
}
