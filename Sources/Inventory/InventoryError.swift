/// An inventory file that cannot be used, with everything that is wrong in it at once.
public struct InventoryError: Error, Hashable, Sendable {
    public enum Code: String, Sendable {
        /// The file cannot be opened or read, or is too large.
        case unreadable
        /// The text is not YAML of the kind accepted here.
        case notYAML
        /// The text is YAML but does not describe a lab.
        case invalid
    }

    /// One mistake.
    public struct Problem: Hashable, Sendable {
        public let file: String
        /// From 1; nil if the whole file is concerned.
        public let line: Int?
        /// The key, `instances[web].ports[0].fixed_ip`; empty for the file's top level.
        public let path: String
        public let message: String
    }

    public let code: Code
    /// At least one, in the order of the file.
    public let problems: [Problem]
}

extension InventoryError.Problem: CustomStringConvertible {
    /// `lab.yaml:12: instances[web].ports[0].fixed_ip: not an address: "10.0.0"`
    public var description: String {
        (line.map { "\(file):\($0): " } ?? "\(file): ") + (path.isEmpty ? "" : "\(path): ") + message
    }
}

extension InventoryError: CustomStringConvertible {
    /// One line per problem.
    public var description: String { problems.map(\.description).joined(separator: "\n") }
}

/// Collects what is wrong while a file is read on to its end. Used by one reader on one thread.
final class ProblemList {
    let file: String
    /// More would scroll the first ones, which often cause the others, off the screen.
    static let problemsMax = 100
    private var problems: [InventoryError.Problem] = []
    private var known: Set<InventoryError.Problem> = []
    private var unlistedCount = 0

    init(file: String) {
        self.file = file
    }

    var isEmpty: Bool { problems.isEmpty }

    /// A mistake in `defaults` is met once per instance and listed once.
    func add(line: Int?, path: String, _ message: String) {
        let problem = InventoryError.Problem(file: file, line: line, path: path, message: message)
        guard known.count < Self.problemsMax else {
            unlistedCount += 1
            return
        }
        if known.insert(problem).inserted { problems.append(problem) }
    }

    /// Takes over what was found in a file that this one refers to.
    func add(_ other: ProblemList) {
        for problem in other.problems where known.insert(problem).inserted { problems.append(problem) }
    }

    func error(_ code: InventoryError.Code) -> InventoryError {
        // By file, the inventory itself first, then by line.
        var listed = problems.enumerated()
            .sorted { left, right in
                let (a, b) = (left.element, right.element)
                if a.file != b.file { return a.file == file || (b.file != file && a.file < b.file) }
                return (a.line ?? 0, left.offset) < (b.line ?? 0, right.offset)
            }
            .map(\.element)
        if unlistedCount > 0 {
            listed.append(
                .init(file: file, line: nil, path: "", message: "\(unlistedCount) more problems are not listed")
            )
        }
        return InventoryError(code: code, problems: listed)
    }
}
