import LinuxHost
import RelayLoop

/// The process's signals for asynchronous code. One that came before anybody listened waits, and is delivered.
public enum SignalStream {
    /// Starts the thread that waits for signals; once per process.
    ///
    /// - Throws: `HostError` or `LoopError` if the kernel refuses a descriptor or a thread.
    public static func start() throws -> AsyncStream<HostSignal> {
        let source = try SignalSource.process.get()
        let (stream, continuation) = AsyncStream.makeStream(of: HostSignal.self)
        try LoopThread.start(name: "signals") {
            while true { continuation.yield(source.wait()) }
        }
        return stream
    }
}
