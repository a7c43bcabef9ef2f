import Glibc
import LinuxHost
import Synchronization

/// Standard output or standard error.
///
/// Behind it may be a pipe whose reader has stopped reading. A relay loop must not wait for it: a line waits a
/// moment, and from then on lines are counted as lost until the reader takes bytes again.
final class StreamSink: LogSink {
    private struct State {
        var isStalled = false
        var isInMidLine = false
        var lost = LostLines()
    }

    let takesPlainLines = true
    private let descriptor: CInt
    private let patienceMilliseconds: CInt
    private let formatReport: @Sendable (LogRecord) -> [UInt8]
    private let state = Mutex(State())

    /// What poll(2) promises that a pipe takes without waiting.
    private static let pieceBytesMax = 4_096

    init(
        descriptor: CInt,
        patienceMilliseconds: CInt = 50,
        formatReport: @escaping @Sendable (LogRecord) -> [UInt8]
    ) {
        self.descriptor = descriptor
        self.patienceMilliseconds = patienceMilliseconds
        self.formatReport = formatReport
    }

    func write(_ record: LogRecord, line: [UInt8]) {
        write(lines: line + [UInt8(ascii: "\n")], count: 1)
    }

    func write(lines: [UInt8], count: Int) {
        state.withLock { state in
            if state.lost.count > 0, !recover(&state) {
                state.lost.add(count, reason: state.lost.reason)
                return
            }
            if let reason = append(lines, &state) { state.lost.add(count, reason: reason) }
        }
    }

    func reopen() {}

    private func recover(_ state: inout State) -> Bool {
        guard let report = state.lost.report else { return true }
        let start = state.isInMidLine ? [UInt8(ascii: "\n")] : []
        if append(start + formatReport(lostLinesRecord(report)) + [UInt8(ascii: "\n")], &state) != nil { return false }
        state.lost.reset()
        return true
    }

    private func append(_ bytes: [UInt8], _ state: inout State) -> CInt? {
        var written = 0
        while written < bytes.count {
            var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            guard poll(&waiting, 1, state.isStalled ? 0 : patienceMilliseconds) > 0 else {
                state.isStalled = true
                return EAGAIN
            }
            state.isStalled = false
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.write(
                    descriptor,
                    buffer.baseAddress?.advanced(by: written),
                    min(bytes.count - written, Self.pieceBytesMax)
                )
            }
            if count > 0 {
                written += count
                state.isInMidLine = bytes[written - 1] != UInt8(ascii: "\n")
            } else if count < 0, errno == EINTR {
                continue
            } else {
                return count == 0 ? EIO : errno
            }
        }
        return nil
    }
}
