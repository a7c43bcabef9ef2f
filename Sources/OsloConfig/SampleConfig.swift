/// Writes a commented configuration file from option tables, in the layout of `oslo-config-generator`.
///
/// Every assignment is a comment, so the file changes nothing until an operator removes a `#`.
public enum SampleConfig {
    private static let columnsMax = 79

    /// - Parameters:
    ///   - options: groups appear in the order of the table, `DEFAULT` first.
    ///   - header: plain text for the top of the file; empty for none.
    /// - Returns: the file's text, with a newline at the end.
    public static func render(options: [Option], header: String = "") -> String {
        var groups = ["DEFAULT"]
        for option in options where !groups.contains(option.group) { groups.append(option.group) }
        var text = header.isEmpty ? "" : comment(header) + "\n"
        for group in groups {
            text += "[\(group)]\n\n"
            for option in options where option.group == group { text += entry(option) + "\n" }
        }
        while text.hasSuffix("\n\n") { text.removeLast() }
        return text
    }

    private static func entry(_ option: Option) -> String {
        var text = comment("\(option.help) (\(typeName(option.kind)))")
        for line in limits(option.kind) + history(option) { text += comment(line) }
        let value = option.sampleDefault ?? option.defaultValue
        if option.sampleDefault != nil { text += comment("The real default depends on the machine.") }
        guard let value else { return text + "#\(option.name) = <None>\n" }
        // A default that is several values long is written as several assignments or one list.
        let shown = value.isEmpty ? "" : " " + value.split(separator: "\n").joined(separator: "\n#    ")
        return text + "#\(option.name) =\(shown)\n"
    }

    private static func typeName(_ kind: Option.Kind) -> String {
        switch kind {
        case .string: "string value"
        case .boolean: "boolean value"
        case .integer: "integer value"
        case .float: "floating point value"
        case .port: "port value"
        case .list: "list value"
        case .multiString: "multi valued"
        case .hostAddress: "host address value"
        }
    }

    private static func limits(_ kind: Option.Kind) -> [String] {
        switch kind {
        case .integer(let min, let max): range(min.map { "\($0)" }, max.map { "\($0)" })
        case .float(let min, let max): range(min.map { "\($0)" }, max.map { "\($0)" })
        case .port: range("0", "65535")
        case .string(let choices?):
            ["Possible values: " + choices.map { $0.isEmpty ? "''" : $0 }.joined(separator: ", ")]
        case .string(nil), .boolean, .list, .multiString, .hostAddress: []
        }
    }

    private static func range(_ min: String?, _ max: String?) -> [String] {
        (min.map { ["Minimum value: \($0)"] } ?? []) + (max.map { ["Maximum value: \($0)"] } ?? [])
    }

    private static func history(_ option: Option) -> [String] {
        var lines: [String] = []
        switch (option.since, option.until) {
        case (let since?, let until?): lines.append("Neutron releases: \(since) to \(until)")
        case (let since?, nil): lines.append("Neutron releases: since \(since)")
        case (nil, let until?): lines.append("Neutron releases: until \(until)")
        case (nil, nil): break
        }
        lines += option.deprecatedNames.map { "Deprecated group/name - [\($0.group)]/\($0.name)" }
        if let reason = option.deprecatedForRemoval {
            lines.append("This option is deprecated for removal.")
            lines.append("Reason: \(reason)")
        }
        if case .none(let reason) = option.effect { lines.append("This option has no effect: \(reason)") }
        return lines
    }

    private static func comment(_ text: String) -> String {
        TextWrap.wrap(text, columns: columnsMax - 2).map { $0.isEmpty ? "#\n" : "# \($0)\n" }.joined()
    }
}
