import Glibc
import LinuxHost
import Synchronization

/// A local daemon that takes one datagram per line: syslog or the journal.
///
/// Non-blocking: if the daemon does not keep up or is away, lines are counted as lost.
final class DatagramSink: LogSink {
    private struct State {
        var descriptor: CInt = -1
        var nextConnect: MonotonicTime?
        var lost = LostLines()
    }

    let takesPlainLines = false
    private let path: String
    private let encode: @Sendable (LogRecord, _ line: [UInt8]) -> [UInt8]
    private let formatReport: @Sendable (LogRecord) -> [UInt8]
    private let state = Mutex(State())

    private static let socketType = CInt(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)

    /// - Parameter encode: makes the datagram from a record and its line.
    init(
        path: String,
        encode: @escaping @Sendable (LogRecord, _ line: [UInt8]) -> [UInt8],
        formatReport: @escaping @Sendable (LogRecord) -> [UInt8]
    ) {
        self.path = path
        self.encode = encode
        self.formatReport = formatReport
        // At once, while the program still may: later it may have dropped its privileges.
        state.withLock { _ = Self.connect(&$0, path) }
    }

    deinit { state.withLock { if $0.descriptor >= 0 { close($0.descriptor) } } }

    func write(_ record: LogRecord, line: [UInt8]) {
        state.withLock { state in
            if let report = state.lost.report {
                let record = lostLinesRecord(report)
                if let reason = send(encode(record, formatReport(record)), &state) {
                    state.lost.add(1, reason: reason)
                    return
                }
                state.lost.reset()
            }
            if let reason = send(encode(record, line), &state) { state.lost.add(1, reason: reason) }
        }
    }

    /// Not called, because `takesPlainLines` is false: the daemon wants to know each line's level.
    func write(lines: [UInt8], count: Int) {}

    func reopen() {
        state.withLock { state in
            state.nextConnect = nil
            _ = Self.connect(&state, path)
        }
    }

    private func send(_ datagram: [UInt8], _ state: inout State) -> CInt? {
        if state.descriptor < 0, let reason = Self.connect(&state, path) { return reason }
        guard let reason = Self.send(datagram, state.descriptor) else { return nil }
        switch reason {
        case EAGAIN, EWOULDBLOCK, ENOBUFS, EMSGSIZE: return reason
        default:
            // The daemon was restarted and has a new socket under the old name.
            if let reason = Self.connect(&state, path) { return reason }
            return Self.send(datagram, state.descriptor)
        }
    }

    private static func send(_ datagram: [UInt8], _ descriptor: CInt) -> CInt? {
        Glibc.send(descriptor, datagram, datagram.count, CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT)) >= 0 ? nil : errno
    }

    /// At most once per second: a missing daemon must not cost two system calls per line.
    private static func connect(_ state: inout State, _ path: String) -> CInt? {
        let now = MonotonicTime.now
        if let next = state.nextConnect, now < next { return ENOTCONN }
        state.nextConnect = now.advanced(bySeconds: 1)
        if state.descriptor >= 0 { close(state.descriptor) }
        state.descriptor = socket(AF_UNIX, socketType, 0)
        guard state.descriptor >= 0 else { return errno }
        if withUnixAddress(Array(path.utf8), { Glibc.connect(state.descriptor, $0, $1) }) == 0 { return nil }
        let reason = errno
        close(state.descriptor)
        state.descriptor = -1
        return reason
    }
}
