import CEpoll
import Glibc

/// Makes another thread's `poll` return: an eventfd.
final class WakeUp: Sendable {
    let descriptor: CInt

    /// - Throws: `MessagingError` if the process is out of descriptors.
    init() throws(MessagingError) {
        descriptor = cepoll_eventfd()
        guard descriptor >= 0 else {
            throw MessagingError(.misconfigured, "No descriptor is left for the message bus: raise the file limit.")
        }
    }

    deinit {
        _ = close(descriptor)
    }

    func signal() {
        var one: UInt64 = 1
        while write(descriptor, &one, 8) < 0, errno == EINTR {}
    }

    /// Takes back all signals so far.
    func reset() {
        var counter: UInt64 = 0
        while read(descriptor, &counter, 8) < 0, errno == EINTR {}
    }

    /// Waits for a signal, and takes it back.
    func wait(atMost time: Duration) {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        if poll(&entry, 1, time.pollMilliseconds) > 0 { reset() }
    }
}

extension Duration {
    /// For poll(2): rounded up, never negative, and 25 days at most.
    var pollMilliseconds: CInt {
        guard self > .zero else { return 0 }
        let (seconds, attoseconds) = components
        guard seconds < Int64(CInt.max) / 1_000 else { return .max }
        let fraction = (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
        return CInt(seconds * 1_000 + fraction)
    }
}
