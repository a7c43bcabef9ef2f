/// Everything that is wrong with the configuration, found in one pass: an operator who corrects a file should
/// not have to start the program once per mistake.
public struct ConfigurationError: Error, Sendable {
    /// One mistake.
    public struct Problem: Hashable, Sendable {
        /// The file that has it; nil for the command line, the environment and defaults.
        public var file: String?
        /// Counted from one.
        public var line: Int?
        public var option: Option.Name?
        /// One sentence that names the file, line and option too, and never holds a secret value.
        public var message: String

        public init(file: String? = nil, line: Int? = nil, option: Option.Name? = nil, message: String) {
            self.file = file
            self.line = line
            self.option = option
            self.message = message
        }
    }

    public var problems: [Problem]
    /// 2 for a command line that cannot be understood, as argparse has it; otherwise 1.
    public var exitStatus: Int32
    /// The usage lines that go before a usage error.
    var usage: String?
    var program: String

    init(program: String, problems: [Problem], exitStatus: Int32 = 1, usage: String? = nil) {
        self.program = program
        self.problems = problems
        self.exitStatus = exitStatus
        self.usage = usage
    }
}

extension ConfigurationError: CustomStringConvertible {
    /// What belongs on standard error: a line per problem, without a newline at the end.
    public var description: String {
        var lines = usage.map { [$0] } ?? []
        lines += problems.map { "\(program): error: \($0.message)" }
        return lines.joined(separator: "\n")
    }
}
