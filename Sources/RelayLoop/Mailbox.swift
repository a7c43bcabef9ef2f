import CEpoll
import Glibc
import Synchronization

/// The way into a relay loop from other threads: post a message, and the loop wakes up and takes it.
///
/// Unbounded by itself; what is posted is bounded by the requests in flight (one answer each) and by the
/// operator's commands.
public final class Mailbox<Message: Sendable>: Sendable {
    private let waiting = Mutex<[Message]>([])
    /// An eventfd: readable while messages wait.
    let wakeUp: CInt

    /// - Throws: `LoopError` if the process is out of descriptors.
    public init() throws(LoopError) {
        wakeUp = cepoll_eventfd()
        guard wakeUp >= 0 else { throw LoopError(call: "eventfd", code: errno) }
    }

    deinit {
        Descriptor.close(wakeUp)
    }

    /// Callable from any thread.
    public func post(_ message: sending Message) {
        let message = message
        let isFirst = waiting.withLock { queue in
            queue.append(message)
            return queue.count == 1
        }
        guard isFirst else { return }
        var one: UInt64 = 1
        while write(wakeUp, &one, 8) < 0, errno == EINTR {}
    }

    /// Everything posted so far, in order. For the loop's thread.
    func takeAll() -> [Message] {
        var counter: UInt64 = 0
        while read(wakeUp, &counter, 8) < 0, errno == EINTR {}
        return waiting.withLock { queue in
            let all = queue
            queue = []
            return all
        }
    }
}
