import Glibc
import Synchronization
import Testing

@testable import LinuxHost

@Suite struct BindRetryTests {
    /// A clock that moves only when the code under test waits.
    final class Time: Sendable {
        private let milliseconds = Mutex(0)
        var waited: Int { milliseconds.withLock { $0 } }

        func retry(window: Int, interruptedAfter limit: Int = .max) -> BindRetry {
            BindRetry(
                windowSeconds: window,
                now: { MonotonicTime(nanoseconds: 0).advanced(byMilliseconds: self.waited) },
                pause: { milliseconds in
                    self.milliseconds.withLock { $0 += milliseconds }
                    return self.waited < limit
                }
            )
        }
    }

    @Test func busyAddressIsTriedEveryTenthOfASecondForTheWholeWindow() {
        let time = Time()
        var attempts = 0
        let outcome = time.retry(window: 30).run {
            attempts += 1
            return EADDRINUSE
        }
        #expect(outcome == .failed(EADDRINUSE))
        #expect(attempts == 301)
        #expect(time.waited == 30_000)
    }

    @Test func addressThatBecomesFreeIsTaken() {
        let time = Time()
        var attempts = 0
        let outcome = time.retry(window: 30).run {
            attempts += 1
            return attempts == 5 ? 0 : EADDRINUSE
        }
        #expect(outcome == .bound)
        #expect(time.waited == 400)
    }

    @Test func otherErrorsAreFinal() {
        let time = Time()
        #expect(time.retry(window: 30).run { EACCES } == .failed(EACCES))
        #expect(time.waited == 0)
    }

    @Test func withoutAWindowThereIsOneAttempt() {
        let time = Time()
        #expect(time.retry(window: 0).run { EADDRINUSE } == .failed(EADDRINUSE))
        #expect(time.waited == 0)
    }

    @Test func signalEndsTheWaiting() {
        #expect(Time().retry(window: 30, interruptedAfter: 500).run { EADDRINUSE } == .interrupted)
    }
}

@Suite struct TCPListenerTests {
    private let once = BindRetry(windowSeconds: 0)

    private func port(of descriptor: CInt) -> UInt16 {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) { pointer in
            _ = pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        return UInt16(bigEndian: address.sin_port)
    }

    private func option(_ descriptor: CInt, _ level: CInt, _ name: CInt) -> CInt {
        var value: CInt = -1
        var length = socklen_t(MemoryLayout<CInt>.size)
        getsockopt(descriptor, level, name, &value, &length)
        return value
    }

    @Test func listenerHasTheOriginalsSocketOptions() throws {
        let descriptor = try TCPListener.open(address: "127.0.0.1", port: 0, retry: once)
        defer { close(descriptor) }
        #expect(port(of: descriptor) != 0)
        #expect(option(descriptor, SOL_SOCKET, SO_REUSEADDR) == 1)
        #expect(option(descriptor, SOL_SOCKET, SO_KEEPALIVE) == 1)
        #expect(option(descriptor, CInt(IPPROTO_TCP), TCP_KEEPIDLE) == 600)
        #expect(option(descriptor, SOL_SOCKET, SO_ACCEPTCONN) == 1)
        #expect(fcntl(descriptor, F_GETFL) & O_NONBLOCK != 0)
        #expect(fcntl(descriptor, F_GETFD) & FD_CLOEXEC != 0)
    }

    @Test func busyPortIsNamedInTheError() throws {
        let first = try TCPListener.open(address: "127.0.0.1", port: 0, retry: once)
        defer { close(first) }
        let port = port(of: first)
        let error = #expect(throws: HostError.self) {
            try TCPListener.open(address: "127.0.0.1", port: port, retry: once)
        }
        #expect(error?.code == .addressInUse)
        #expect(error?.message.contains("127.0.0.1:\(port)") == true)
    }

    @Test func addressOfAnotherHostIsRefusedAtOnce() {
        let error = #expect(throws: HostError.self) {
            try TCPListener.open(address: "192.0.2.1", port: 0, retry: BindRetry(windowSeconds: 30))
        }
        #expect(error?.code == .listenRefused)
        #expect(error?.errorNumber == EADDRNOTAVAIL)
    }
}

@Suite struct UnixListenerTests {
    let directory = ScratchDirectory()

    private func connects(to path: String) -> Bool {
        let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        return withUnixAddress(Array(path.utf8)) { connect(descriptor, $0, $1) } == 0
    }

    @Test(arguments: [0o644, 0o664, 0o666] as [mode_t])
    func socketHasTheModeWhateverTheUmask(_ mode: mode_t) throws {
        let listener = try UnixListener.open(path: directory.file("s"), permissions: mode, backlog: 16)
        defer { close(listener.descriptor) }
        #expect(directory.mode("s") == mode)
        #expect(connects(to: directory.file("s")))
    }

    @Test func missingDirectoriesAreMade() throws {
        let listener = try UnixListener.open(path: directory.file("a/b/s"), permissions: 0o644, backlog: 16)
        defer { close(listener.descriptor) }
        #expect(directory.mode("a") == 0o755)
        #expect(connects(to: directory.file("a/b/s")))
    }

    @Test func whatADeadAgentLeftIsReplaced() throws {
        let dead = try UnixListener.open(path: directory.file("s"), permissions: 0o666, backlog: 16)
        close(dead.descriptor)
        let listener = try UnixListener.open(path: directory.file("s"), permissions: 0o644, backlog: 16)
        defer { close(listener.descriptor) }
        #expect(connects(to: directory.file("s")))
        #expect(directory.mode("s") == 0o644)
    }

    @Test func directoryAtThePathIsAnErrorAndLeavesNothingBehind() {
        mkdir(directory.file("s"), 0o755)
        let error = #expect(throws: HostError.self) {
            try UnixListener.open(path: directory.file("s"), permissions: 0o644, backlog: 16)
        }
        #expect(error?.code == .listenRefused)
        #expect(directory.mode("s.\(getpid())") == nil)
    }

    @Test func onlyOurOwnSocketIsUnlinked() throws {
        let old = try UnixListener.open(path: directory.file("s"), permissions: 0o644, backlog: 16)
        let new = try UnixListener.open(path: directory.file("s"), permissions: 0o644, backlog: 16)
        defer {
            close(old.descriptor)
            close(new.descriptor)
        }
        #expect(!old.unlinkIfOurs())
        #expect(connects(to: directory.file("s")))
        #expect(new.unlinkIfOurs())
        #expect(directory.mode("s") == nil)
        #expect(!new.unlinkIfOurs())
    }

    @Test func longestPathWorksAndOneByteMoreIsRefused() throws {
        let room = UnixListener.pathBytesMax - directory.path.utf8.count - 1
        let name = String(repeating: "n", count: room)
        let listener = try UnixListener.open(path: directory.file(name), permissions: 0o644, backlog: 16)
        defer { close(listener.descriptor) }
        #expect(connects(to: directory.file(name)))
        let error = #expect(throws: HostError.self) {
            try UnixListener.open(path: directory.file(name + "n"), permissions: 0o644, backlog: 16)
        }
        #expect(error?.code == .badListenAddress)
    }

    @Test(arguments: [("/a/b", "/a"), ("/a", "/"), ("a/b", "a"), ("a", nil), ("/a/", "/a")] as [(String, String?)])
    func directoryIsEverythingBeforeTheLastSlash(_ path: String, _ directory: String?) {
        #expect(UnixListener.directory(of: path) == directory)
    }
}
