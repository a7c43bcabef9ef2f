import Glibc
import Synchronization

/// The pipe on which a daemon tells the process that started it how the start went.
///
/// One message: a byte with the exit status, then a sentence for standard error. A pipe that closes without
/// a message means that the daemon died.
public final class StartReport: Sendable {
    /// -1 once the message is sent.
    private let descriptor: Mutex<CInt>

    /// Fits into a pipe's buffer many times, so that writing it cannot wait.
    static let sentenceBytesMax = 2_000

    init(descriptor: CInt) {
        self.descriptor = Mutex(descriptor)
    }

    deinit { send(status: 1, sentence: "The daemon ended before it was ready.") }

    /// The daemon serves; the waiting parent leaves with status 0.
    public func succeeded() {
        send(status: 0, sentence: "")
    }

    /// The daemon gives up; the waiting parent prints the sentence and leaves with this status.
    ///
    /// - Parameter status: 1 to 255.
    public func failed(status: Int32, sentence: String) {
        send(status: UInt8(clamping: max(status, 1)), sentence: sentence)
    }

    private func send(status: UInt8, sentence: String) {
        descriptor.withLock { descriptor in
            guard descriptor >= 0 else { return }
            let message = [status] + sentence.utf8.prefix(Self.sentenceBytesMax)
            // The parent may have been killed meanwhile; the caller has made EPIPE harmless.
            _ = Glibc.write(descriptor, message, message.count)
            close(descriptor)
            descriptor = -1
        }
    }

    /// For the steps inside the double fork, where nobody can catch an error any more.
    func failedInChild(_ verb: String, _ reason: CInt) -> Never {
        failed(status: 1, sentence: "Cannot \(verb) while going into the background: \(systemReason(reason)).")
        _exit(1)
    }

    // MARK: The parent's side

    /// What the parent shall do, decided from what came through the pipe.
    struct Outcome: Equatable {
        var status: Int32
        var sentence: String
    }

    /// - Parameter message: everything received; nil if the time was over before the pipe closed.
    static func outcome(_ message: [UInt8]?, secondsMax: Int) -> Outcome {
        guard let message else {
            return Outcome(
                status: 1,
                sentence: "The daemon was not ready after \(secondsMax) seconds; its log may say why."
            )
        }
        guard let status = message.first else {
            return Outcome(status: 1, sentence: "The daemon ended before it was ready; its log may say why.")
        }
        return Outcome(status: Int32(status), sentence: String(decoding: message.dropFirst(), as: UTF8.self))
    }

    /// Waits for the message and leaves the process.
    static func awaitAndExit(_ descriptor: CInt, child: pid_t, secondsMax: Int) -> Never {
        // The intermediate child leaves at once; collecting it keeps the process table clean while we wait.
        var status: CInt = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        let outcome = outcome(receive(descriptor, secondsMax: secondsMax), secondsMax: secondsMax)
        if !outcome.sentence.isEmpty {
            let line = Array((outcome.sentence + "\n").utf8)
            _ = Glibc.write(STDERR_FILENO, line, line.count)
        }
        _exit(outcome.status)
    }

    /// Everything until the pipe closes, or nil if that takes too long.
    static func receive(_ descriptor: CInt, secondsMax: Int) -> [UInt8]? {
        let deadline = MonotonicTime.now.advanced(bySeconds: secondsMax)
        var message: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 512)
        while true {
            var waiting = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            let ready = poll(&waiting, 1, MonotonicTime.now.millisecondsUntil(deadline))
            if ready == 0 { return nil }
            if ready < 0 {
                if errno == EINTR { continue }
                return []
            }
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return message }
            message += buffer[0..<count]
        }
    }
}
