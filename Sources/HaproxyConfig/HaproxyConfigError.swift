/// One thing that is wrong with a configuration, in haproxy's words: what was read where, and what to write instead.
public struct HaproxyProblem: Error, Hashable, Sendable {
    /// Stable, for tests.
    public enum Code: Hashable, Sendable {
        /// A file or directory that cannot be read, or is too large.
        case unreadable
        /// A line that is no list of words: an open quote, a NUL byte, a missing end of line.
        case syntax
        /// haproxy does not know the keyword either, or not in this section.
        case unknownKeyword
        /// haproxy knows the keyword and would act on it; this program would not.
        case unsupported
        /// The keyword is known, what stands behind it is wrong.
        case badArgument
        /// Every line is right, and still they make no metadata proxy.
        case incomplete
    }

    public let code: Code
    /// As named on the command line, or found in the directory named there.
    public let file: String
    /// From 1; nil if the problem is of the file, or of all of them.
    public let line: Int?
    /// A sentence without file and line.
    public let message: String

    public init(_ code: Code, file: String, line: Int?, _ message: String) {
        self.code = code
        self.file = file
        self.line = line
        self.message = message
    }
}

extension HaproxyProblem: CustomStringConvertible {
    /// `config : parsing [FILE:LINE] : MESSAGE`, which is where operators look with haproxy.
    public var description: String {
        if let line { return "config : parsing [\(file):\(line)] : \(message)" }
        return file.isEmpty ? "config : \(message)" : "config : [\(file)] : \(message)"
    }
}

/// The configuration cannot be used: everything that is wrong with it, in the order in which it was found.
public struct HaproxyConfigError: Error, Hashable, Sendable {
    /// More are not collected: the first few explain the rest.
    public static let problemsMax = 25

    /// Never empty.
    public let problems: [HaproxyProblem]

    /// Lines for standard error, each with haproxy's mark of severity and process, which log filters look for.
    public func alerts(processID: Int32) -> [String] {
        let lines = problems.map { $0.description } + ["config : Fatal errors found in configuration."]
        return lines.map { "[ALERT]    (\(processID)) : \($0)" }
    }
}

extension HaproxyConfigError: CustomStringConvertible {
    public var description: String {
        problems.map { $0.description }.joined(separator: "\n")
    }
}

/// Something that was read and has no effect here, or was repaired: for the log, at level debug.
public struct HaproxyNotice: Hashable, Sendable, CustomStringConvertible {
    public let file: String
    public let line: Int
    public let message: String

    public var description: String { "config : parsing [\(file):\(line)] : \(message)" }
}

/// What a keyword's reader throws; the line that is being read adds where.
struct Fault: Error {
    let code: HaproxyProblem.Code
    let message: String

    init(_ code: HaproxyProblem.Code, _ message: String) {
        self.code = code
        self.message = message
    }
}

/// A word of the file in quotes for a message: control characters spelled out, and cut where it gets too long to
/// read. A file may hold anything, and the message goes to a terminal.
func quoted(_ word: String) -> String {
    let scalarsMax = 80
    var text = "'"
    for (count, scalar) in word.unicodeScalars.enumerated() {
        guard count < scalarsMax else { return text + "…'" }
        text +=
            scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) ? scalar.escaped(asASCII: true) : "\(scalar)"
    }
    return text + "'"
}
