/// Decides which failures of a directory are worth a line: each kind once a minute, and then that it works
/// again. A control plane that is away fails thousands of lookups a minute, and one of its servers that is
/// broken makes it fail and work by turns.
struct FailureLog {
    enum Line {
        case failing(DirectoryError)
        case recovered
    }

    static let reminderInterval: Duration = .seconds(60)

    private var loggedAt: [DirectoryError.Code: Duration] = [:]
    private var recoveryIsDue = false

    mutating func line(for result: Result<Finding, DirectoryError>, now: Duration) -> Line? {
        switch result {
        case .success:
            defer { recoveryIsDue = false }
            return recoveryIsDue ? .recovered : nil
        case .failure(let error):
            if let last = loggedAt[error.code], now - last < Self.reminderInterval { return nil }
            loggedAt[error.code] = now
            recoveryIsDue = true
            return .failing(error)
        }
    }
}
