import Glibc
import RelayLoop
import Testing

@testable import NovaBackend

/// Drives one channel as a relay loop would: until it would block, then waiting for readiness.
final class TestConnection {
    let descriptor: CInt
    let channel: OpenSSLChannel
    /// How often it had to wait, and how often a write took only a part.
    private(set) var waits = 0
    private(set) var partialWrites = 0

    init(descriptor: CInt, channel: OpenSSLChannel) {
        self.descriptor = descriptor
        self.channel = channel
    }

    deinit {
        channel.shutDown()
        close(descriptor)
    }

    private func wait(for events: CInt) {
        waits += 1
        var entry = pollfd(fd: descriptor, events: Int16(events), revents: 0)
        let ready = poll(&entry, 1, 20_000)
        #expect(ready == 1, "nothing happened on the connection for 20 s")
    }

    func handshake() -> SecureHandshake {
        for _ in 0..<100 {
            let outcome = channel.handshake()
            if outcome != .pending { return outcome }
            wait(for: POLLIN)
        }
        return .pending
    }

    func write(_ bytes: some Collection<UInt8>) -> Transfer {
        Array(bytes).withUnsafeBytes { channel.write($0) }
    }

    func read() -> Transfer {
        withUnsafeTemporaryAllocation(byteCount: 100, alignment: 1) { channel.read(into: $0) }
    }

    func send(_ text: String) throws {
        try send(Array(text.utf8))
    }

    func send(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let offered = rest.prefix(40_000)
            switch write(offered) {
            case .bytes(let count):
                if count < offered.count { partialWrites += 1 }
                rest = rest.dropFirst(count)
            case .wouldBlock: wait(for: POLLOUT)
            case let other: try #require(other == .wouldBlock, "writing ended early")
            }
        }
    }

    /// Reads to the end, or to the failure.
    func receiveAll() -> (bytes: [UInt8], end: Transfer) {
        var bytes: [UInt8] = []
        while true {
            if let end = receive(into: &bytes) { return (bytes, end) }
            wait(for: POLLIN)
        }
    }

    /// Sends `body` and receives until the end at the same time.
    func exchange(_ body: [UInt8]) throws -> (bytes: [UInt8], end: Transfer) {
        var rest = body[...]
        var bytes: [UInt8] = []
        while true {
            sending: while !rest.isEmpty {
                switch write(rest.prefix(40_000)) {
                case .bytes(let count): rest = rest.dropFirst(count)
                case .wouldBlock: break sending
                case let other: try #require(other == .wouldBlock, "writing ended early")
                }
            }
            if let end = receive(into: &bytes) { return (bytes, end) }
            wait(for: rest.isEmpty ? POLLIN : POLLIN | POLLOUT)
        }
    }

    /// Nil once it would block.
    private func receive(into bytes: inout [UInt8]) -> Transfer? {
        while true {
            var chunk = [UInt8](repeating: 0, count: 5_000)
            switch chunk.withUnsafeMutableBytes({ channel.read(into: $0) }) {
            case .bytes(let count): bytes.append(contentsOf: chunk.prefix(count))
            case .wouldBlock: return nil
            case let end: return end
            }
        }
    }
}

/// The bytes that the test server sends: every offset recognisable.
func pattern(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 * 31 % 251) }
}

/// As Python's `zlib.crc32`.
func crc32(_ bytes: [UInt8]) -> UInt32 {
    var value: UInt32 = 0xFFFF_FFFF
    for byte in bytes {
        value ^= UInt32(byte)
        for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
    }
    return value ^ 0xFFFF_FFFF
}
