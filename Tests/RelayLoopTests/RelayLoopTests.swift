import Glibc
import Synchronization
import Testing

@testable import RelayLoop

/// What a loop did, told from its thread.
private final class Log: Sendable {
    private let lines = Mutex<[String]>([])
    func add(_ line: String) { lines.withLock { $0.append(line) } }
    var all: [String] { lines.withLock { $0 } }
}

private func socketPair() throws -> (CInt, CInt) {
    var pair: [CInt] = [-1, -1]
    try #require(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &pair) == 0)
    for descriptor in pair { _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK) }
    return (pair[0], pair[1])
}

private final class Probe: LoopHandler {
    var onReady: (Readiness) -> Void = { _ in }
    var onDeadline: () -> Void = {}
    func ready(_ readiness: Readiness) { onReady(readiness) }
    func deadlinePassed() { onDeadline() }
}

@Suite struct RelayLoopTests {
    @Test func messageFromAnotherThreadWakesTheLoop() throws {
        let loop = try RelayLoop()
        let mailbox = try Mailbox<Int>()
        var received: [Int] = []
        #expect(
            loop.open(mailbox) { message in
                received.append(message)
                if message == 3 { loop.stop() }
            }
        )
        try LoopThread.start(name: "poster") { for number in 1...3 { mailbox.post(number) } }
        try loop.run()
        #expect(received == [1, 2, 3])
    }

    @Test func deadlineIsCalledOnceAfterItHasPassed() throws {
        let loop = try RelayLoop()
        let probe = Probe()
        let token = loop.add(probe)
        let due = LoopInstant.now + .milliseconds(50)
        var calls = 0
        probe.onDeadline = {
            calls += 1
            #expect(loop.now >= due)
            loop.stop()
        }
        loop.setDeadline(token, due)
        try loop.run()
        #expect(calls == 1)
    }

    /// The successor gets the same descriptor number in the same batch; the old event must not reach it.
    @Test func eventOfAClosedConnectionDoesNotReachItsSuccessor() throws {
        let loop = try RelayLoop()
        let (first, firstPeer) = try socketPair()
        let (second, secondPeer) = try socketPair()
        defer { for descriptor in [firstPeer, secondPeer] { close(descriptor) } }
        let one = Probe()
        let two = Probe()
        let successor = Probe()
        var oneToken: RelayLoop.Token?
        var twoToken: RelayLoop.Token?
        var successorEvents = 0
        successor.onReady = { _ in successorEvents += 1 }
        // Whichever comes first replaces the other.
        func replace(_ token: RelayLoop.Token?, _ descriptor: CInt) {
            guard let token else { return }
            loop.remove(token)
            close(descriptor)
            _ = loop.add(successor)
            loop.stop()
        }
        one.onReady = { _ in replace(twoToken, second) }
        two.onReady = { _ in replace(oneToken, first) }
        let tokens = (loop.add(one), loop.add(two))
        oneToken = tokens.0
        twoToken = tokens.1
        #expect(loop.watch(tokens.0, first, as: .connection))
        #expect(loop.watch(tokens.1, second, as: .connection))
        try loop.run()
        #expect(successorEvents == 0)
    }

    @Test func handlerThatAsksForMoreIsCalledAgainWithoutAnEvent() throws {
        let loop = try RelayLoop()
        let probe = Probe()
        let token = loop.add(probe)
        var turns = 0
        probe.onReady = { _ in
            turns += 1
            if turns < 3 { loop.again(token) } else { loop.stop() }
        }
        loop.again(token)
        try loop.run()
        #expect(turns == 3)
    }

    @Test func peersEndIsReportedAsReadable() throws {
        let loop = try RelayLoop()
        let (ours, theirs) = try socketPair()
        defer { close(ours) }
        let probe = Probe()
        let token = loop.add(probe)
        #expect(loop.watch(token, ours, as: .connection))
        close(theirs)
        var seen: Readiness = []
        probe.onReady = {
            seen = $0
            loop.stop()
        }
        try loop.run()
        #expect(seen.isSuperset(of: [.readable, .peerClosed, .hangUp]))
    }

    @Test func transfersReportWhatHappened() throws {
        let (ours, theirs) = try socketPair()
        var buffer = [UInt8](repeating: 0, count: 16)
        #expect(buffer.withUnsafeMutableBytes { Descriptor.read(ours, into: $0) } == .wouldBlock)
        #expect([UInt8]("hello".utf8).withUnsafeBytes { Descriptor.write(theirs, $0) } == .bytes(5))
        #expect(buffer.withUnsafeMutableBytes { Descriptor.read(ours, into: $0) } == .bytes(5))
        close(theirs)
        #expect(buffer.withUnsafeMutableBytes { Descriptor.read(ours, into: $0) } == .endOfStream)
        // No SIGPIPE: the test would die of it.
        #expect([UInt8]("x".utf8).withUnsafeBytes { Descriptor.write(ours, $0) } == .failed(code: EPIPE))
        close(ours)
    }

    @Test func connectingToAMissingSocketFailsAtOnce() {
        #expect(Descriptor.connect(to: .unix(path: "/nonexistent/socket")) == .failed(code: ENOENT))
        let long = String(repeating: "x", count: 108)
        #expect(Descriptor.connect(to: .unix(path: long)) == .failed(code: ENAMETOOLONG))
    }

    @Test func addressesAreShownAsOperatorsWriteThem() {
        #expect("\(SocketAddress.v4(UInt32(0x7F00_0001).bigEndian, port: 8775))" == "127.0.0.1:8775")
        #expect("\(SocketAddress.v6(high: 0, low: 1, port: 80, scope: 0))" == "[::1]:80")
        #expect("\(SocketAddress.unix(path: "/run/x"))" == "/run/x")
    }
}
