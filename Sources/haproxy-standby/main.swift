import CLinuxHost
import Glibc

// What a namespace's proxy is while the agent serves its guests: a process that holds the listening sockets and waits.
//
// It offers the sockets to a restarted agent; if none comes within a moment, it becomes the whole proxy again, which
// serves the guests. There is one per network, so it is a program of its own, and uses nothing for which the Swift
// runtime builds metadata (arrays, strings, generic types): each page that it touches counts a thousandfold. A static
// Swift program takes 84 KiB for itself whatever it does; written in the ordinary way this one took 124.

/// How long guests wait in the backlog for an agent that has just gone.
private let patienceMilliseconds = 1_000
private let pauseMilliseconds: CInt = 50
private let offerMilliseconds: CInt = 2_000

/// What `StandbyState` has left in the environment. It stays there, and is what the whole proxy finds again.
private struct Inheritance {
    typealias Text = UnsafeMutablePointer<CChar>

    let offer: Text
    let program: Field
    /// The agent's socket for requests.
    let agent: Field
    private let leaseLine: Field
    var lease: CInt
    let listeners = UnsafeMutablePointer<CInt>.allocate(capacity: Int(CLINUXHOST_DESCRIPTORS_MAX))
    private(set) var listenerCount: CInt = 0

    /// The value of a line that begins with a name and a blank.
    struct Field {
        let start: Text
        let count: Int

        init?(_ name: StaticString, in text: Text) {
            var line = text
            while strncmp(line, name.pointer, name.utf8CodeUnitCount) != 0 {
                guard let end = strchr(line, newline) else { return nil }
                line = end + 1
            }
            let start = line + name.utf8CodeUnitCount
            let end = strchr(start, newline)
            self.start = start
            count = end.map { $0 - start } ?? Int(strlen(start))
        }
    }

    init?() {
        guard let text = getenv("BELLHOP_STANDBY"), let offer = getenv("BELLHOP_OFFER"),
            strncmp(text, "bellhop-standby 1\n", 18) == 0, let program = Field("program ", in: text),
            let agent = Field("agent ", in: text), let listeners = Field("listeners ", in: text),
            let leaseLine = Field("lease ", in: text)
        else { return nil }
        self.offer = offer
        self.program = program
        self.agent = agent
        self.leaseLine = leaseLine
        lease = CInt(truncatingIfNeeded: strtol(leaseLine.start, nil, 10))
        var next: Text? = listeners.start
        while let at = next, at < listeners.start + listeners.count, listenerCount < CInt(CLINUXHOST_DESCRIPTORS_MAX) {
            let listener = CInt(truncatingIfNeeded: strtol(at, &next, 10))
            guard listener > 2, isListening(listener) else { return nil }
            self.listeners[Int(listenerCount)] = listener
            listenerCount += 1
        }
        guard listenerCount > 0, lease > 2 else { return nil }
    }

    /// Becomes the whole proxy. Returns only if that is impossible.
    func resume() {
        // A line without a blank says nothing: the lease has ended.
        leaseLine.start[-1] = CChar(UInt8(ascii: "-"))
        guard let path = strndup(program.start, program.count) else { return }
        execv(path, CommandLine.unsafeArgv)
        free(path)
    }
}

private let newline = CInt(UInt8(ascii: "\n"))

extension StaticString {
    /// As C wants it.
    fileprivate var pointer: UnsafePointer<CChar> {
        UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self)
    }
}

private func isListening(_ descriptor: CInt) -> Bool {
    var value: CInt = 0
    var size = socklen_t(MemoryLayout<CInt>.size)
    return getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value == 1
}

/// Waits until one of two descriptors is readable; a negative one never is. True if it is the second.
private func isSecondReadable(_ first: CInt, _ second: CInt, within milliseconds: CInt) -> Bool {
    var entries = (
        pollfd(fd: first, events: Int16(POLLIN), revents: 0), pollfd(fd: second, events: Int16(POLLIN), revents: 0)
    )
    withUnsafeMutablePointer(to: &entries) {
        $0.withMemoryRebound(to: pollfd.self, capacity: 2) { _ = poll($0, 2, milliseconds) }
    }
    return entries.1.revents != 0
}

/// Whether a signal that waits asks for the end.
private func isToldToEnd(_ signals: CInt) -> Bool {
    while true {
        let number = clinuxhost_next_signal(signals)
        if number <= 0 { return false }
        if number != SIGHUP { return true }
    }
}

private func monotonicMilliseconds() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1_000 + time.tv_nsec / 1_000_000
}

/// Whether the agent says this word next.
private func hears(_ word: StaticString, on lease: CInt, unlessReadable signals: CInt) -> Bool {
    guard isSecondReadable(signals, lease, within: offerMilliseconds) else { return false }
    var reply = (UInt64(0), UInt64(0))
    let count = recv(lease, &reply, MemoryLayout.size(ofValue: reply), CInt(MSG_DONTWAIT))
    return count == word.utf8CodeUnitCount && memcmp(&reply, word.utf8Start, count) == 0
}

/// A connection to the agent's socket for listeners; -1 if there is none.
private func connectToAgent(_ agent: Inheritance.Field) -> CInt {
    let suffix: StaticString = ".listeners"
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let fits = withUnsafeMutableBytes(of: &address.sun_path) { path in
        // The last byte stays zero.
        guard agent.count + suffix.utf8CodeUnitCount < path.count, let start = path.baseAddress else { return false }
        memcpy(start, agent.start, agent.count)
        memcpy(start + agent.count, suffix.utf8Start, suffix.utf8CodeUnitCount)
        return true
    }
    let lease = clinuxhost_socket(AF_UNIX, CInt(SOCK_SEQPACKET.rawValue))
    guard fits, lease >= 0 else { return lease >= 0 ? closed(lease) : -1 }
    let result = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(lease, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
        }
    }
    return result == 0 ? lease : closed(lease)
}

private func closed(_ descriptor: CInt) -> CInt {
    close(descriptor)
    return -1
}

/// A lease from an agent that has taken the sockets; -1 if there is none.
private func offer(_ inheritance: Inheritance, unlessReadable signals: CInt) -> CInt {
    let lease = connectToAgent(inheritance.agent)
    guard lease >= 0 else { return -1 }
    let size = strlen(inheritance.offer)
    guard hears("ready\n", on: lease, unlessReadable: signals),
        clinuxhost_send_descriptors(
            lease,
            inheritance.offer,
            size,
            inheritance.listeners,
            inheritance.listenerCount
        ) == size,
        hears("accepted\n", on: lease, unlessReadable: signals)
    else { return closed(lease) }
    return lease
}

/// - Returns: the exit status.
private func run() -> CInt {
    guard var inheritance = Inheritance() else {
        let sentence: StaticString = "This program is started by Bellhop's haproxy only.\n"
        _ = write(STDERR_FILENO, sentence.utf8Start, sentence.utf8CodeUnitCount)
        return 1
    }
    var numbers = (SIGTERM, SIGINT, SIGHUP, SIGUSR1)
    let signals = withUnsafePointer(to: &numbers) {
        $0.withMemoryRebound(to: CInt.self, capacity: 4) { numbers -> CInt in
            guard clinuxhost_ignore_broken_pipes() == 0, clinuxhost_block_signals(numbers, 4) == 0 else { return -1 }
            return clinuxhost_signal_descriptor(numbers, 4)
        }
    }
    guard signals >= 0 else { return 1 }
    var patienceEnds = 0
    while true {
        let isLeased = inheritance.lease >= 0
        // Readable means ended: an agent that has accepted says nothing more.
        let hasEnded = isSecondReadable(signals, inheritance.lease, within: isLeased ? -1 : pauseMilliseconds)
        if isToldToEnd(signals) { break }
        if isLeased {
            guard hasEnded else { continue }
            inheritance.lease = closed(inheritance.lease)
            patienceEnds = monotonicMilliseconds() + patienceMilliseconds
        }
        inheritance.lease = offer(inheritance, unlessReadable: signals)
        guard inheritance.lease < 0, monotonicMilliseconds() >= patienceEnds else { continue }
        // Comes back only if that is impossible: then the guests wait on, and so do we.
        inheritance.resume()
        patienceEnds = monotonicMilliseconds() + patienceMilliseconds
    }
    // The agent has copies of the sockets. This ends them all, so that a successor gets every new connection.
    for index in 0..<Int(inheritance.listenerCount) { shutdown(inheritance.listeners[index], CInt(SHUT_RDWR)) }
    return 0
}

exit(run())
