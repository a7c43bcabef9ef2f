/// The texts of `--help` and of a usage error.
struct Usage {
    var program: String
    var options: [Option]
    /// One sentence about the program; empty for none.
    var summary: String

    private static let columnsMax = 79
    private static let helpColumn = 24

    /// `usage: program [-h] [--config-file PATH] …`, without a newline at the end.
    var synopsis: String {
        let prefix = "usage: \(program)"
        var lines = [prefix]
        for word in entries.map({ "[\($0.forms[0])]" }) {
            let last = lines[lines.count - 1]
            if last.count + 1 + word.count > Self.columnsMax {
                lines.append(String(repeating: " ", count: min(prefix.count, Self.helpColumn)) + " " + word)
            } else {
                lines[lines.count - 1] = last + " " + word
            }
        }
        return lines.joined(separator: "\n")
    }

    /// The answer to `--help`, with a newline at the end.
    var help: String {
        var text = synopsis + "\n\n"
        if !summary.isEmpty {
            text += TextWrap.wrap(summary, columns: Self.columnsMax).joined(separator: "\n") + "\n\n"
        }
        text += "options:\n"
        for entry in entries {
            let forms = "  " + entry.forms.joined(separator: ", ")
            let help = TextWrap.wrap(entry.help, columns: Self.columnsMax - Self.helpColumn)
            let indent = String(repeating: " ", count: Self.helpColumn)
            if forms.count + 2 <= Self.helpColumn, let first = help.first {
                text += forms + String(repeating: " ", count: Self.helpColumn - forms.count) + first + "\n"
                text += help.dropFirst().map { indent + $0 + "\n" }.joined()
            } else {
                text += forms + "\n" + help.map { indent + $0 + "\n" }.joined()
            }
        }
        text += "\nEvery other option is set in a configuration file or in the environment.\n"
        return text
    }

    private var entries: [(forms: [String], help: String)] {
        var entries: [(forms: [String], help: String)] = [
            (["-h", "--help"], "Show this help and exit."),
            (["--version"], "Show the version and exit."),
            (
                ["--config-file PATH"],
                "Read this file instead of the default ones. May be given several times; later files win."
            ),
            (
                ["--config-dir DIR"],
                "Read the *.conf files of this directory, in byte order, instead of the default directories. "
                    + "May be given several times."
            ),
        ]
        for option in options {
            guard let commandLine = option.commandLine else { continue }
            var forms = commandLine.spellings.map { "--" + $0 }
            if option.kind == .boolean {
                forms += commandLine.spellings.map { "--no" + $0 }
            } else {
                forms = forms.map { $0 + " " + option.name.uppercased() }
            }
            if let letter = commandLine.short { forms.insert("-\(letter)", at: 0) }
            entries.append((forms, option.help))
        }
        return entries
    }
}

/// Breaks text into lines at blanks.
enum TextWrap {
    /// A word longer than `columns` stands on a line of its own. Line breaks in the text are kept.
    static func wrap(_ text: String, columns: Int) -> [String] {
        text.split(separator: "\n", omittingEmptySubsequences: false).flatMap { paragraph in
            var lines = [""]
            for word in paragraph.split(separator: " ") {
                let last = lines[lines.count - 1]
                if last.isEmpty {
                    lines[lines.count - 1] = String(word)
                } else if last.count + 1 + word.count <= columns {
                    lines[lines.count - 1] = last + " " + word
                } else {
                    lines.append(String(word))
                }
            }
            return lines
        }
    }
}
