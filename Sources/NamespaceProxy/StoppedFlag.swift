import CEpoll
import Glibc
import RelayLoop

/// The end of a relay loop as something the main thread can poll: an eventfd.
final class StoppedFlag: Sendable {
    let descriptor: CInt

    /// - Throws: `LoopError` if the process is out of descriptors.
    init() throws(LoopError) {
        descriptor = cepoll_eventfd()
        guard descriptor >= 0 else { throw LoopError(call: "eventfd", code: errno) }
    }

    deinit {
        _ = close(descriptor)
    }

    /// From the loop's thread.
    func set() {
        var one: UInt64 = 1
        while write(descriptor, &one, 8) < 0, errno == EINTR {}
    }

    var isSet: Bool { isReadable(descriptor) }
}

/// Whether a descriptor has something to read, or its end.
func isReadable(_ descriptor: CInt) -> Bool {
    var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&entry, 1, 0) > 0
}

/// Waits until one of the descriptors is readable; a negative time is without end.
func waitUntilReadable(_ descriptors: [CInt], milliseconds: CInt = -1) {
    var entries = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    _ = poll(&entries, nfds_t(entries.count), milliseconds)
}
