import Logging
import Synchronization

/// From which level on each logger speaks: the root's level, and `default_log_levels` for the others.
///
/// As in Python a threshold holds for a logger and for everything below it: `oslo_messaging=INFO` also rules
/// `oslo_messaging._drivers.impl_rabbit`, unless a longer name says otherwise. A changed root level reaches
/// loggers that exist already, which SIGHUP needs.
final class LogThresholds: Sendable {
    private struct State {
        var root: Logger.Level
        var gates: [String: LogGate] = [:]
    }

    private let rules: [String: Logger.Level]
    private let state: Mutex<State>

    init(root: Logger.Level, rules: [String: Logger.Level]) {
        self.rules = rules
        state = Mutex(State(root: root))
    }

    /// The gate of a logger; all loggers with this label share it.
    func gate(for label: String) -> LogGate {
        state.withLock { state in
            if let gate = state.gates[label] { return gate }
            let gate = LogGate(Self.level(of: label, rules: rules, root: state.root))
            state.gates[label] = gate
            return gate
        }
    }

    /// Changes the root's level, and with it that of all loggers without a rule.
    func setRoot(_ level: Logger.Level) {
        state.withLock { state in
            state.root = level
            for (label, gate) in state.gates { gate.level = Self.level(of: label, rules: rules, root: level) }
        }
    }

    static func level(of label: String, rules: [String: Logger.Level], root: Logger.Level) -> Logger.Level {
        var name = Substring(label)
        while true {
            if let level = rules[String(name)] { return level }
            guard let dot = name.lastIndex(of: ".") else { return root }
            name = name[..<dot]
        }
    }
}

/// One logger's threshold, cheap to ask on every log statement.
final class LogGate: Sendable {
    private let index: Atomic<Int>

    init(_ level: Logger.Level) {
        index = Atomic(Self.index(of: level))
    }

    var level: Logger.Level {
        get {
            // Only `index(of:)` is ever stored.
            let index = index.load(ordering: .relaxed)
            return Logger.Level.allCases.indices.contains(index) ? Logger.Level.allCases[index] : .info
        }
        set { index.store(Self.index(of: newValue), ordering: .relaxed) }
    }

    private static func index(of level: Logger.Level) -> Int {
        switch level {
        case .trace: 0
        case .debug: 1
        case .info: 2
        case .notice: 3
        case .warning: 4
        case .error: 5
        case .critical: 6
        }
    }
}
