import CEpoll
import Glibc

/// A plain thread for a relay loop: not one of the concurrency runtime's, which must never be blocked.
public enum LoopThread {
    private final class Start: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// Starts a thread that runs `body` once and ends; nobody waits for it.
    ///
    /// - Parameter name: what `ps -L` and `top -H` show; the kernel keeps 15 bytes.
    /// - Throws: `LoopError` if the process may have no more threads.
    public static func start(name: String, _ body: @escaping @Sendable () -> Void) throws(LoopError) {
        var handle = pthread_t()
        let start = Unmanaged.passRetained(Start(body))
        let code = pthread_create(&handle, nil, runStart, start.toOpaque())
        guard code == 0 else {
            start.release()
            throw LoopError(call: "pthread_create", code: code)
        }
        cepoll_name_thread(handle, String(decoding: name.utf8.prefix(15), as: UTF8.self))
        pthread_detach(handle)
    }

    private static func run(_ start: UnsafeMutableRawPointer) {
        Unmanaged<Start>.fromOpaque(start).takeRetainedValue().body()
    }

    fileprivate static func enter(_ argument: UnsafeMutableRawPointer?) {
        if let argument { run(argument) }
    }
}

private let runStart: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
    LoopThread.enter(argument)
    return nil
}
