import Glibc

/// When and how a log file is put aside (`log_rotation_type`); Python's two rotating handlers.
enum LogRotation: Sendable, Equatable {
    case none
    /// `file` becomes `file.1`, `file.1` becomes `file.2`, and so on.
    case size(bytesMax: Int, filesMax: Int)
    /// `file` gets the time at which its interval began as a suffix; the oldest ones beyond the count go.
    case interval(Interval, filesMax: Int)

    enum Interval: Sendable, Equatable {
        case seconds(Int)
        case minutes(Int)
        case hours(Int)
        case days(Int)
        /// At midnight of every so many days.
        case midnight(Int)
        /// At midnight after this day: 0 is Monday.
        case weekday(Int)

        /// The suffix's strftime format.
        var suffixFormat: String {
            switch self {
            case .seconds: "%Y-%m-%d_%H-%M-%S"
            case .minutes: "%Y-%m-%d_%H-%M"
            case .hours: "%Y-%m-%d_%H"
            case .days, .midnight, .weekday: "%Y-%m-%d"
            }
        }

        /// The length of the interval in seconds, as far as it is one.
        var seconds: Int {
            switch self {
            case .seconds(let count): count
            case .minutes(let count): count * 60
            case .hours(let count): count * 3_600
            case .days(let count), .midnight(let count): count * 86_400
            case .weekday: 7 * 86_400
            }
        }

        /// The first end of an interval after `time`.
        func end(after time: LogTime) -> LogTime {
            switch self {
            case .seconds, .minutes, .hours, .days: LogTime(seconds: time.seconds + seconds, nanoseconds: 0)
            case .midnight(let days): time.midnight(daysLater: days)
            case .weekday(let day): time.midnight(daysLater: (day - time.weekday + 7) % 7 + 1)
            }
        }
    }

    /// Where a sink is between two rotations.
    struct Progress: Sendable {
        var due: LogTime?
    }

    /// - Parameter lastChange: when the file was last written to; a restart must not restart the interval.
    func begin(lastChange: LogTime) -> Progress {
        if case .interval(let interval, _) = self { Progress(due: interval.end(after: lastChange)) } else { Progress() }
    }

    func isDue(_ progress: Progress, size: Int, adding bytes: Int, now: LogTime) -> Bool {
        switch self {
        case .none: false
        // An empty file is never put aside, or one line longer than the limit would rotate for ever.
        case .size(let bytesMax, let filesMax): bytesMax > 0 && filesMax > 0 && size > 0 && size + bytes >= bytesMax
        case .interval: progress.due.map { now.seconds >= $0.seconds } ?? false
        }
    }

    /// Renames the files. An error leaves the file where it is, and logging goes on.
    func rotate(_ path: String, _ progress: inout Progress, now: LogTime) {
        switch self {
        case .none: return
        case .size(_, let filesMax):
            // The loop is short of names that do not exist: after the first gap nothing is left to move.
            let present = (1...filesMax).prefix { access("\(path).\($0)", F_OK) == 0 }.last ?? 0
            for index in stride(from: min(present, filesMax - 1), through: 1, by: -1) {
                rename("\(path).\(index)", "\(path).\(index + 1)")
            }
            rename(path, "\(path).1")
        case .interval(let interval, let filesMax):
            guard let due = progress.due else { return }
            let began = LogTime(seconds: due.seconds - interval.seconds, nanoseconds: 0)
            rename(path, "\(path).\(began.formatted(interval.suffixFormat))")
            removeOldest(path, keeping: filesMax)
            var next = interval.end(after: due)
            if next.seconds <= now.seconds { next = interval.end(after: now) }
            progress.due = next
        }
    }

    /// Dated suffixes sort by age. Zero keeps all, as in Python.
    private func removeOldest(_ path: String, keeping count: Int) {
        guard count > 0, let slash = path.lastIndex(of: "/") else { return }
        let directory = String(path[...slash])
        let prefix = path[path.index(after: slash)...] + "."
        guard let listing = opendir(directory) else { return }
        defer { closedir(listing) }
        var found: [String] = []
        while let entry = readdir(listing) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                String(cString: UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self))
            }
            guard name.hasPrefix(prefix), Self.isDate(name.dropFirst(prefix.count)) else { continue }
            found.append(name)
        }
        for name in found.sorted().dropLast(count) { unlink(directory + name) }
    }

    /// Only what we have named ourselves may be removed: a date, not `.gz` or an operator's copy.
    private static func isDate(_ suffix: Substring) -> Bool {
        suffix.utf8.count >= 10
            && suffix.utf8.allSatisfy {
                (0x30...0x39).contains($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
            }
    }
}
