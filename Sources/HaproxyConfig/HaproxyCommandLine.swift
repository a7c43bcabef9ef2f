/// haproxy's command line, as the agents, a kill script's successor or an operator write it.
///
/// haproxy looks at the first letter behind the dash, at the second only for `-d…`, `-s…`, `-c…`, `-v…`, `-W…`, and at
/// no further one: `-conf` is `-c`, `-foo FILE` is `-f FILE`, and `-fFILE` takes the *next* word as its file. The same
/// rules hold here, because the point of this program is to stand where haproxy stood.
public struct HaproxyCommandLine: Hashable, Sendable {
    public enum Action: Hashable, Sendable {
        case serve
        /// `-c`: read the configuration, say whether it can be used, and leave.
        case check
        /// `-v`, or with details `-vv`.
        case printVersion(details: Bool)
    }

    public var action = Action.serve
    /// Files and directories, in the order given (`-f`, and everything behind `--`).
    public var configPaths: [String] = []
    /// `-p`; overrides the file's `pidfile`.
    public var pidFile: String?
    /// `-C`: relative paths start here.
    public var directory: String?
    /// `-D`.
    public var isDaemon = false
    /// `-db`, `-d`, `-W`, `-Ws`: stay in the foreground, whatever else says `daemon`.
    public var isForeground = false
    /// `-q`.
    public var isQuiet = false
    /// `-V`.
    public var isVerbose = false
    /// `-n`; overrides the file's global `maxconn` if it is larger than 0.
    public var connectionsMax: Int?
    /// `-sf PIDS` and `-st PIDS`: processes that this one replaces. The agents stop them themselves.
    public var replacedProcesses: [Int32] = []
    /// Options that were accepted and have no effect here, as written.
    public var ignoredOptions: [String] = []

    public init() {}

    /// Reads the words behind the program's name.
    public init(_ arguments: [String]) throws(HaproxyUsageError) {
        var rest = arguments[...]
        while let word = rest.popFirst() {
            guard word.utf8.first == UInt8(ascii: "-"), word.utf8.count > 1 else {
                throw HaproxyUsageError("unexpected argument \(quoted(word)); a configuration file is given with -f.")
            }
            if word.hasPrefix("--") {
                configPaths += rest
                break
            }
            try readOption(word, &rest)
            // haproxy prints its version as soon as it meets the option, whatever follows.
            if case .printVersion = action { return }
        }
        guard !configPaths.isEmpty else {
            throw HaproxyUsageError("no configuration file; give one with -f FILE.")
        }
    }

    private mutating func readOption(_ option: String, _ rest: inout ArraySlice<String>) throws(HaproxyUsageError) {
        let letters = Array(option.utf8.dropFirst())
        let first = letters.first.map { Character(Unicode.Scalar($0)) }
        let second = letters.dropFirst().first.map { Character(Unicode.Scalar($0)) }
        switch (first, second) {
        case ("v", _): action = .printVersion(details: second == "v")
        case ("c", "c"):
            throw HaproxyUsageError("'-cc' is not implemented here; '-c' checks a configuration.")
        case ("c", _): action = .check
        case ("D", _): isDaemon = true
        case ("q", _): isQuiet = true
        case ("V", _): isVerbose = true
        case ("W", _):
            isForeground = true
            ignoredOptions.append(option)
        case ("d", _): readDebugOption(option, second)
        case ("s", "f"), ("s", "t"): try readProcesses(option, &rest)
        case ("f", _): configPaths.append(try value(of: option, &rest))
        case ("p", _):
            let path = try value(of: option, &rest)
            pidFile = path.isEmpty ? nil : path
        case ("C", _): directory = try value(of: option, &rest)
        case ("n", _):
            let text = try value(of: option, &rest)
            guard let count = Int(text) else {
                throw HaproxyUsageError("\(quoted(option)) expects a number and got \(quoted(text)).")
            }
            connectionsMax = count > 0 ? count : nil
        case ("N", _), ("m", _), ("L", _), ("x", _), ("S", _):
            _ = try value(of: option, &rest)
            ignoredOptions.append(option)
        default:
            throw HaproxyUsageError("unknown option \(quoted(option)).")
        }
    }

    /// `-db` and `-d` keep the process in the foreground; so does any `-d…` whose second letter haproxy does not know.
    /// Those that it knows turn system interfaces off or print something.
    private mutating func readDebugOption(_ option: String, _ second: Character?) {
        switch second {
        case "b": isForeground = true
        case let letter? where "ACDFGIKLMRSTVWaekprtvz".contains(letter): ignoredOptions.append(option)
        default: isForeground = true
        }
    }

    /// Takes words up to the next option; no process at all is fine, an agent's script writes `-sf $(cat PIDFILE)`.
    private mutating func readProcesses(
        _ option: String,
        _ rest: inout ArraySlice<String>
    ) throws(HaproxyUsageError) {
        while let word = rest.first, !word.hasPrefix("-") {
            rest.removeFirst()
            // A pid file's contents may come as one word, with its line break.
            for text in word.split(whereSeparator: { $0.isWhitespace }) {
                guard let process = Int32(text), process > 0 else {
                    throw HaproxyUsageError("\(quoted(option)) expects process ids and got \(quoted(word)).")
                }
                replacedProcesses.append(process)
            }
        }
    }

    private func value(
        of option: String,
        _ rest: inout ArraySlice<String>
    ) throws(HaproxyUsageError) -> String {
        guard let value = rest.popFirst() else {
            throw HaproxyUsageError("option \(quoted(option)) expects a value.")
        }
        return value
    }
}

/// The command line cannot be understood. Like haproxy: the text to standard error, exit status 1.
public struct HaproxyUsageError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong, in one sentence.
    public let message: String

    init(_ message: String) {
        self.message = message
    }

    public static let exitStatus: Int32 = 1

    /// The message and the usage.
    public var description: String { "haproxy: \(message)\n\(HaproxyCommandLine.usage)" }
}

extension HaproxyCommandLine {
    /// What this program makes of haproxy's options.
    public static let usage = """
        Usage : haproxy [-f FILE|DIRECTORY]... [-p PIDFILE] [-C DIRECTORY] [-n MAXCONN] [-cDqVv] [-db]
                        [-sf|-st PID...] [-- FILE...]
                -f  reads the configuration, as Neutron's L3, DHCP and OVN agents write it
                -c  checks the configuration and exits
                -D  goes to the background; -db stays in the foreground whatever the file says
                -p  writes the process id to this file
                -C  changes to this directory before anything is read
                -n  bounds the guests' connections
                -q  prints nothing that can be left out; -V prints more
                -v  prints the version; -vv some more
                -sf, -st  are accepted: processes that are replaced stop by themselves
        Other options of haproxy (-d?, -L, -m, -N, -S, -W, -x) are accepted and have no effect.
        """
}
