import LinuxHost

/// One program under two names: agents up to Ocata start the one, later ones the other.
public enum Personality: String, CaseIterable, Sendable {
    case haproxy = "haproxy"
    case namespaceProxy = "neutron-ns-metadata-proxy"

    /// Says which is meant where a wrapper decides about the name; only as the very first argument.
    static let flag = "--personality="

    /// - Parameter commandLine: with the program's own name.
    /// - Returns: the personality and the arguments for it; nil for a flag with another name.
    static func choose(_ commandLine: [String]) -> (Personality, arguments: [String])? {
        let arguments = Array(commandLine.dropFirst())
        if let first = arguments.first, first.hasPrefix(flag) {
            return Personality(rawValue: String(first.dropFirst(flag.count))).map { ($0, Array(arguments.dropFirst())) }
        }
        let name = commandLine.first?.split(separator: "/").last ?? ""
        return (name == haproxy.rawValue[...] ? .haproxy : .namespaceProxy, arguments)
    }

    /// Runs until it is told to stop. Must be called while the process has one thread.
    ///
    /// - Returns: the exit status.
    public static func run(_ commandLine: [String], environment: () -> [String: String]) -> Int32 {
        switch choose(commandLine) {
        case (.haproxy, let arguments)?: return HaproxyMain.run(arguments: arguments)
        case (.namespaceProxy, let arguments)?:
            return NamespaceProxyMain.run(arguments: arguments, environment: environment())
        case nil:
            StandardError.write("\(flag) must be \(allCases.map(\.rawValue).joined(separator: " or ")).")
            return 2
        }
    }
}
