import Glibc
import LinuxHost
import Synchronization

/// A log file: appended to in single writes, opened again when somebody has moved it away, rotated on request.
///
/// The file is opened when the sink is made, while the program still has the rights for that; if it cannot be
/// opened again later, the old one stays in use.
final class FileSink: LogSink {
    private struct State {
        var descriptor: CInt
        var device: dev_t = 0
        var inode: ino_t = 0
        var size = 0
        var rotation: LogRotation.Progress
        /// The disk filled up in the middle of a line; the next one must not continue it.
        var isInMidLine = false
        var nextCheck: MonotonicTime
        var lost = LostLines()
    }

    let path: String
    let takesPlainLines = true
    private let watches: Bool
    private let rotation: LogRotation
    private let mode: mode_t
    private let formatReport: @Sendable (LogRecord) -> [UInt8]
    private let clock: @Sendable () -> MonotonicTime
    private let state: Mutex<State>

    /// - Parameters:
    ///   - watches: whether to look, at most once per second, if the path still names the open file.
    ///   - mode: of a new file. Given and not left to the umask, which a daemon sets to 0.
    ///   - formatReport: makes the line that tells about lost lines.
    init(
        path: String,
        watches: Bool,
        rotation: LogRotation,
        mode: mode_t,
        clock: @escaping @Sendable () -> MonotonicTime = { .now },
        formatReport: @escaping @Sendable (LogRecord) -> [UInt8]
    ) throws(LogError) {
        self.path = path
        self.watches = watches
        self.rotation = rotation
        self.mode = mode
        self.clock = clock
        self.formatReport = formatReport
        var status = stat()
        let modified = stat(path, &status) == 0 ? LogTime(seconds: status.st_mtim.tv_sec, nanoseconds: 0) : .now
        let descriptor = Self.open(path, mode)
        guard descriptor >= 0 else { throw LogError.cannotOpen(path, reason: errno) }
        var opened = State(
            descriptor: descriptor,
            rotation: rotation.begin(lastChange: modified),
            nextCheck: clock().advanced(bySeconds: 1)
        )
        Self.noteIdentity(&opened)
        state = Mutex(opened)
    }

    deinit { state.withLock { _ = close($0.descriptor) } }

    private static func open(_ path: String, _ mode: mode_t) -> CInt {
        Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, mode)
    }

    func write(_ record: LogRecord, line: [UInt8]) {
        write(lines: line + [UInt8(ascii: "\n")], count: 1)
    }

    func write(lines: [UInt8], count: Int) {
        state.withLock { state in
            let now = clock()
            if watches, now >= state.nextCheck {
                state.nextCheck = now.advanced(bySeconds: 1)
                reopenIfMoved(&state)
            }
            rotateIfDue(&state, adding: lines.count)
            if state.isInMidLine || state.lost.count > 0 {
                guard recover(&state) else {
                    state.lost.add(count, reason: state.lost.reason)
                    return
                }
            }
            if let reason = append(lines, &state) { state.lost.add(count, reason: reason) }
        }
    }

    func reopen() {
        state.withLock { reopenIfMoved(&$0) }
    }

    /// Ends a cut line and reports what was lost. False if even that does not work yet.
    private func recover(_ state: inout State) -> Bool {
        if state.isInMidLine, append([UInt8(ascii: "\n")], &state) != nil { return false }
        guard let report = state.lost.report else { return true }
        if let reason = append(formatReport(lostLinesRecord(report)) + [UInt8(ascii: "\n")], &state) {
            state.lost.add(0, reason: reason)
            return false
        }
        state.lost.reset()
        return true
    }

    /// - Returns: nil, or why not everything could be written.
    private func append(_ bytes: [UInt8], _ state: inout State) -> CInt? {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.write(state.descriptor, buffer.baseAddress?.advanced(by: written), bytes.count - written)
            }
            if count > 0 {
                written += count
                state.size += count
                state.isInMidLine = bytes[written - 1] != UInt8(ascii: "\n")
            } else if count < 0, errno == EINTR {
                continue
            } else {
                return count == 0 ? ENOSPC : errno
            }
        }
        return nil
    }

    // MARK: Rotation by others and by ourselves

    private func reopenIfMoved(_ state: inout State) {
        var status = stat()
        if stat(path, &status) == 0, status.st_dev == state.device, status.st_ino == state.inode { return }
        let descriptor = Self.open(path, mode)
        guard descriptor >= 0 else { return }
        close(state.descriptor)
        state.descriptor = descriptor
        Self.noteIdentity(&state)
    }

    private static func noteIdentity(_ state: inout State) {
        var status = stat()
        guard fstat(state.descriptor, &status) == 0 else { return }
        state.device = status.st_dev
        state.inode = status.st_ino
        state.size = Int(status.st_size)
        state.isInMidLine = false
    }

    private func rotateIfDue(_ state: inout State, adding bytes: Int) {
        guard rotation.isDue(state.rotation, size: state.size, adding: bytes, now: .now) else { return }
        rotation.rotate(path, &state.rotation, now: .now)
        reopenIfMoved(&state)
    }
}
