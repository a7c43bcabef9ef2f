import Yams

/// Composes YAML text into nodes that remember their line.
///
/// Aliases are refused: a few lines of them can stand for more nodes than memory holds, and `defaults` and
/// `keys` cover what a lab would use them for. Scalars stay text (`Resolver.basic`), because what `no` or
/// `1e3` means is decided by the key it stands behind.
enum YAMLDocument {
    /// Nil for a text without a document, or after reporting what is wrong to `problems`, which must be empty.
    static func compose(_ text: String, problems: ProblemList) -> Node? {
        if text.utf8.contains(UInt8(ascii: "*")) {
            guard hasNoAlias(text, problems: problems) else { return nil }
        }
        return parse(text, problems: problems)
    }

    /// Looks for aliases without ever resolving one, because resolving is what must not happen: every `*`
    /// becomes a character that may start plain text, so that an alias turns into a scalar starting with it.
    /// No other plain scalar can, since `*` is reserved there. Lines and structure stay as they are.
    private static func hasNoAlias(_ text: String, problems: ProblemList) -> Bool {
        let present = Set(text.unicodeScalars.lazy.filter { privateUse.contains($0.value) })
        guard let marker = privateUse.lazy.compactMap(Unicode.Scalar.init).first(where: { !present.contains($0) })
        else {
            problems.add(line: nil, path: "", "uses every character of the Unicode private use area")
            return false
        }
        var masked = String.UnicodeScalarView()
        for scalar in text.unicodeScalars { masked.append(scalar == "*" ? marker : scalar) }
        guard let root = parse(String(masked), problems: problems, unmask: String(marker)) else {
            return problems.isEmpty
        }
        refuseAliases(in: root, marker: marker, problems: problems)
        return problems.isEmpty
    }

    /// Of the basic multilingual plane, which the YAML parser accepts.
    private static let privateUse: ClosedRange<UInt32> = 0xE000...0xF8FF

    /// Recursion is bounded by libyaml, which refuses more than a thousand levels.
    private static func refuseAliases(in node: Node, marker: Unicode.Scalar, problems: ProblemList) {
        switch node {
        case .scalar(let scalar):
            if scalar.style == .plain, scalar.string.unicodeScalars.first == marker {
                problems.add(
                    line: scalar.mark?.line,
                    path: "",
                    "YAML aliases are not accepted; put what instances share under \"defaults\" or \"keys\""
                )
            }
        case .sequence(let sequence):
            for item in sequence { refuseAliases(in: item, marker: marker, problems: problems) }
        case .mapping(let mapping):
            for (key, value) in mapping {
                refuseAliases(in: key, marker: marker, problems: problems)
                refuseAliases(in: value, marker: marker, problems: problems)
            }
        case .alias: break
        }
    }

    private static func parse(_ text: String, problems: ProblemList, unmask marker: String? = nil) -> Node? {
        do {
            return try Yams.compose(yaml: text, .basic, .default, .utf8)
        } catch {
            let (line, message) = explain(error, text: text)
            let shown = marker.map { message.replacing($0, with: "*") } ?? message
            problems.add(line: line, path: "", shown)
            return nil
        }
    }

    private static func explain(_ error: any Error, text: String) -> (line: Int?, message: String) {
        switch error as? YamlError {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            return (mark.line, "not YAML: " + (context.map { "\($0.text), " } ?? "") + problem)
        case .duplicatedKeysInMapping(let duplicates, let context):
            let keys = duplicates.map { "\"\($0)\"" }.joined(separator: ", ")
            return (context.mark.line, "the key \(keys) is there twice")
        case .reader(let problem, let offset, _, _):
            return (offset.map { text.prefix($0).count(where: \.isNewline) + 1 }, "not YAML: \(problem)")
        default:
            return (nil, "not YAML: \(error)")
        }
    }
}
