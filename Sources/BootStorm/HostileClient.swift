import Glibc
import HTTPWire
import RelayLoop

/// A client that does not speak HTTP as it should, and begins anew when it is thrown out.
final class HostileClient: LoopHandler, Waiter {
    public enum Kind: String, CaseIterable, Sendable {
        /// Sends a byte of its head every second, and never the last one.
        case slowHead = "slow head"
        /// Connects and says nothing.
        case silent
        /// Sends bytes that are no HTTP.
        case garbage
        /// Sends header lines for as long as it is let.
        case hugeHead = "huge head"
        /// Asks many times at once and reads nothing.
        case deaf
        /// Asks and is gone before the answer.
        case vanishing
    }

    /// How long one connection is kept at most.
    private static let connectionMax = LoopSpan.seconds(60)
    private static let pauseBetween = LoopSpan.milliseconds(250)
    private static let drip = LoopSpan.seconds(1)
    private static let hugeHeadBytes = 262_144
    private static let deafRequests = 64
    private static let garbageBytes = 2_048

    private unowned let storm: StormLoop
    private let route: Route
    let kind: Kind
    private var descriptor: CInt = -1
    private var place: RelayLoop.Token?
    private var began = LoopInstant(nanoseconds: 0)
    private var isConnected = false
    private var output: [UInt8] = []
    private var sent = 0
    private var firstBytes: [UInt8] = []
    private var random: UInt64

    init(storm: StormLoop, route: Route, number: Int) {
        self.storm = storm
        self.route = route
        kind = Kind.allCases[number % Kind.allCases.count]
        random = UInt64(number) &* 0x9E37_79B9_7F4A_7C15 | 1
    }

    // MARK: Events

    func waitOver() {
        connect()
    }

    func ready(_ readiness: Readiness) {
        if !isConnected, readiness.contains(.writable) || readiness.contains(.hangUp) {
            guard Descriptor.connectOutcome(descriptor) == 0 else { return end(.notConnected) }
            isConnected = true
            begin()
        }
        guard place != nil else { return }
        if readiness.contains(.writable) { flush() }
        if place != nil, kind == .deaf {
            if readiness.contains(.peerClosed) { end(.thrownOut) }
        } else if place != nil, readiness.contains(.readable) {
            read()
        }
    }

    func deadlinePassed() {
        guard isConnected else { return end(.notConnected) }
        guard kind == .slowHead, .now < began + Self.connectionMax else { return end(.outlasted) }
        output.append(UInt8(ascii: "a"))
        flush()
        setDeadline()
    }

    private func setDeadline() {
        guard let place else { return }
        let last = began + Self.connectionMax
        storm.loop.setDeadline(place, isConnected && kind == .slowHead ? min(last, .now + Self.drip) : last)
    }

    func drop() {
        if place != nil { close() }
    }

    // MARK: A connection

    private func connect() {
        storm.hostile[kind, default: HostileTally()].connections += 1
        began = .now
        guard case .connecting(let opened) = Connector.connect(route, storm.spaces) else {
            return rest(.notConnected)
        }
        descriptor = opened
        let token = storm.loop.add(self)
        place = token
        isConnected = false
        output = []
        sent = 0
        firstBytes = []
        setDeadline()
        if !storm.loop.watch(token, opened, as: .connection) { end(.notConnected) }
    }

    private func begin() {
        let request = storm.request(PollingGuest.document)
        switch kind {
        case .silent:
            break
        case .slowHead:
            output = Array("GET /openstack HTTP/1.1\r\nHost: 169.254.169.254\r\nX-Slow: ".utf8)
            setDeadline()
        case .garbage:
            output = (0..<Self.garbageBytes).map { _ in nextByte() }
        case .hugeHead:
            output = Array("GET /openstack HTTP/1.1\r\n".utf8)
            let line = Array("X-Huge: \(String(repeating: "a", count: 500))\r\n".utf8)
            while output.count < Self.hugeHeadBytes { output += line }
        case .deaf:
            for _ in 0..<Self.deafRequests { output += request }
        case .vanishing:
            output = request
        }
        flush()
    }

    private func nextByte() -> UInt8 {
        random ^= random << 13
        random ^= random >> 7
        random ^= random << 17
        return UInt8(truncatingIfNeeded: random >> 32)
    }

    private func flush() {
        while sent < output.count {
            let transfer = output.withUnsafeBytes { bytes in
                Descriptor.write(descriptor, UnsafeRawBufferPointer(rebasing: bytes[sent...]))
            }
            switch transfer {
            case .bytes(let count): sent += count
            case .wouldBlock: return
            case .failed, .endOfStream:
                // What the service said before it closed is still to be read.
                return read()
            }
        }
        if kind == .vanishing { end(.left) }
    }

    private func read() {
        while true {
            var bytes = [UInt8](repeating: 0, count: 4_096)
            switch bytes.withUnsafeMutableBytes({ Descriptor.read(descriptor, into: $0) }) {
            case .bytes(let count):
                if firstBytes.count < 12 { firstBytes += bytes[..<min(count, 12)] }
            case .wouldBlock: return
            case .endOfStream, .failed: return end(.thrownOut)
            }
        }
    }

    // MARK: The end

    private enum Ending {
        case notConnected
        case thrownOut
        case outlasted
        case left
    }

    private func end(_ ending: Ending) {
        close()
        rest(ending)
    }

    private func close() {
        if let place { storm.loop.remove(place) }
        place = nil
        Descriptor.resetOnClose(descriptor)
        Descriptor.close(descriptor)
        descriptor = -1
    }

    private func rest(_ ending: Ending) {
        let now = LoopInstant.now
        var tally = storm.hostile[kind, default: HostileTally()]
        switch ending {
        case .notConnected: tally.notConnected += 1
        case .thrownOut:
            tally.thrownOut += 1
            tally.kept.add(microseconds: now.since(began).nanoseconds / 1_000)
        case .outlasted: tally.outlasted += 1
        case .left: tally.left += 1
        }
        if let status = Self.status(firstBytes) { tally.statuses[status, default: 0] += 1 }
        storm.hostile[kind] = tally
        if !storm.isOver { storm.waits.add(self, at: now + Self.pauseBetween) }
    }

    /// Of `HTTP/1.1 400`.
    private static func status(_ bytes: [UInt8]) -> Int? {
        guard bytes.count >= 12, bytes.starts(with: Array("HTTP/1.".utf8)) else { return nil }
        return Int(String(decoding: bytes[9..<12], as: UTF8.self))
    }
}

/// What hostile clients of one kind met.
public struct HostileTally: Sendable {
    public internal(set) var connections = 0
    public internal(set) var notConnected = 0
    /// The service ended the connection.
    public internal(set) var thrownOut = 0
    /// The client tired first, after a minute.
    public internal(set) var outlasted = 0
    /// The client went as it meant to.
    public internal(set) var left = 0
    /// The first answer on each connection.
    public internal(set) var statuses: [Int: Int] = [:]
    /// How long the service let those be whom it threw out.
    public internal(set) var kept = LatencyHistogram()

    public init() {}
}
