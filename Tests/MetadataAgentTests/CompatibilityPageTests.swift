import Foundation
import OsloConfig
import Testing

@testable import MetadataAgent

/// `docs/compatibility.md` promises a row for every option and a test for every class: both can be checked.
@Suite struct CompatibilityPageTests {
    private static let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent()  // MetadataAgentTests
        .deletingLastPathComponent()  // Tests
        .deletingLastPathComponent()

    private static func page() throws -> String {
        try String(contentsOf: root.appendingPathComponent("docs/compatibility.md"), encoding: .utf8)
    }

    /// The lines between a heading and the next one of its own level or above.
    private static func section(_ heading: String, of page: String) -> [String] {
        let level = heading.prefix { $0 == "#" }.count
        var lines: [String] = []
        var isInside = false
        for line in page.components(separatedBy: "\n") {
            let depth = line.prefix { $0 == "#" }.count
            if line == heading {
                isInside = true
            } else if isInside, depth > 0, depth <= level {
                break
            } else if isInside {
                lines.append(line)
            }
        }
        return lines
    }

    /// The words in backquotes.
    private static func quoted(_ text: String) -> [String] {
        let parts = text.components(separatedBy: "`")
        return stride(from: 1, to: parts.count, by: 2).map { parts[$0] }
    }

    @Test func everyOptionHasItsRow() throws {
        let page = try Self.page()
        let groups = Set(AgentMain.options.map(\.group))
        for group in groups.sorted() {
            let rows = Self.section("### [\(group)]", of: page)
            #expect(!rows.isEmpty, "docs/compatibility.md lacks the section ### [\(group)]")
            for option in AgentMain.options where option.group == group {
                let count = rows.filter { $0.hasPrefix("| `\(option.name)` |") }.count
                #expect(count == 1, "[\(group)] \(option.name) has \(count) rows in docs/compatibility.md")
            }
        }
    }

    @Test func everyOptionOfThePageExists() throws {
        let page = try Self.page()
        for group in Set(AgentMain.options.map(\.group)) {
            let known = Set(AgentMain.options.filter { $0.group == group }.map(\.name))
            for row in Self.section("### [\(group)]", of: page) where row.hasPrefix("| `") {
                let name = Self.quoted(row).first ?? ""
                #expect(known.contains(name), "docs/compatibility.md: [\(group)] \(name) is no option")
            }
        }
    }

    @Test func everyNamedTestExists() throws {
        let rows = Self.section("## Classes and functions of Juno's two programs", of: try Self.page())
            .filter { $0.hasPrefix("| `") }
        #expect(rows.count > 20)

        let tests = Self.root.appendingPathComponent("Tests")
        var sources = ""
        let files = try #require(FileManager.default.enumerator(at: tests, includingPropertiesForKeys: nil))
        for case let file as URL in files where ["swift", "py"].contains(file.pathExtension) {
            sources += try String(contentsOf: file, encoding: .utf8)
        }
        for row in rows {
            // Cells: nothing, there, here, the tests, what differs, nothing.
            let cells = row.components(separatedBy: "|")
            guard cells.count == 6 else {
                Issue.record("not a row of four cells: \(row)")
                continue
            }
            for name in Self.quoted(cells[3]) {
                let isThere = sources.contains("func \(name)(") || sources.contains("def \(name)(")
                #expect(isThere, "docs/compatibility.md names the test \(name), which is not under Tests/")
            }
        }
    }
}
