import Glibc
import HTTPWire
import LinuxHost
import MetadataModel
import RelayLoop

/// A loop's connections to the next hop: idle ones to take up again, and a line of requests when all are busy.
///
/// Per loop, so that a request and its upstream connection never change threads.
final class UpstreamPool {
    let loop: RelayLoop
    private(set) var settings: UpstreamSettings
    /// The part of every request head that only the next hop decides about.
    private(set) var hopLines: [UInt8]
    /// Connections of an older configuration end after their request instead of coming back.
    private var generation = 0
    private var idle: [UpstreamConnection] = []
    private var connectionCount = 0
    /// Memory for the bytes of busy connections.
    var blocks = BlockPool(countMax: 256)
    /// First come, first served; entries of requests that ended meanwhile are stale and skipped.
    private var line: [Waiting] = []
    private var lineStart = 0
    /// Which address to try first: moves on when one fails.
    private var preferredAddress = 0
    /// Reports a failed attempt; set by the worker.
    var noteConnectFailure: ((SocketAddress?, String) -> Void)?

    private struct Waiting {
        let guest: GuestConnection
        let sequence: UInt64
    }

    init(loop: RelayLoop, settings: UpstreamSettings) {
        self.loop = loop
        self.settings = settings
        hopLines = Forward.hopLines(host: settings.host)
    }

    /// Takes new settings into use for new connections.
    func replace(settings: UpstreamSettings) {
        self.settings = settings
        hopLines = Forward.hopLines(host: settings.host)
        generation += 1
        closeIdle()
    }

    func closeIdle() {
        let closing = idle
        idle = []
        for connection in closing { connection.close() }
    }

    /// Gives `guest` a connection now (`upstreamReady`), soon, or reports that there is none (`upstreamFailed`).
    ///
    /// - Parameter isFresh: do not take up an idle connection: the request could not be repeated if it is stale.
    func connect(_ guest: GuestConnection, isFresh: Bool) {
        if !isFresh, let connection = idle.popLast() {
            connection.serve(guest)
            return
        }
        guard connectionCount < settings.connectionsMax else {
            line.append(Waiting(guest: guest, sequence: guest.sequence))
            return
        }
        open(for: guest)
    }

    private func open(for guest: GuestConnection) {
        let addresses = settings.addresses.current()
        guard !addresses.isEmpty else {
            noteConnectFailure?(nil, "the name has no address")
            settings.addresses.connectionFailed()
            guest.upstreamFailed(.noConnection)
            return
        }
        let first = preferredAddress % addresses.count
        var lastFailure: CInt = 0
        for attempt in 0..<addresses.count {
            let address = addresses[(first + attempt) % addresses.count]
            switch Descriptor.connect(to: address) {
            case .failed(let code):
                lastFailure = code
            case .connected(let descriptor):
                start(descriptor, to: address, isConnected: true, for: guest)
                return
            case .inProgress(let descriptor):
                start(descriptor, to: address, isConnected: false, for: guest)
                return
            }
        }
        attemptFailed(addresses[first], reason: systemReason(lastFailure))
        guest.upstreamFailed(.noConnection)
    }

    private func start(_ descriptor: CInt, to address: SocketAddress, isConnected: Bool, for guest: GuestConnection) {
        var channel: (any SecureChannel)?
        if let security = settings.security {
            channel = security.makeChannel(descriptor: descriptor)
            guard channel != nil else {
                Descriptor.close(descriptor)
                attemptFailed(address, reason: "no memory for TLS")
                guest.upstreamFailed(.noConnection)
                return
            }
        }
        connectionCount += 1
        let connection = UpstreamConnection(
            pool: self,
            descriptor: descriptor,
            address: address,
            channel: channel,
            generation: generation
        )
        connection.start(isConnected: isConnected, for: guest)
    }

    /// A connection could not be made; the next attempt starts with the next address.
    func attemptFailed(_ address: SocketAddress, reason: String) {
        preferredAddress &+= 1
        settings.addresses.connectionFailed()
        noteConnectFailure?(address, reason)
    }

    /// Takes a connection back after an answer; it goes to the next in line, to the idle ones, or is closed.
    func giveBack(_ connection: UpstreamConnection) {
        guard connection.generation == generation else {
            connection.close()
            return
        }
        if let guest = nextInLine() {
            connection.serve(guest)
            return
        }
        connection.becomeIdle(until: loop.now + settings.idleTimeout)
        idle.append(connection)
    }

    func removeIdle(_ connection: UpstreamConnection) {
        if let index = idle.lastIndex(where: { $0 === connection }) { idle.remove(at: index) }
    }

    /// A connection has been closed: its place may go to the next in line.
    func closed() {
        connectionCount -= 1
        guard connectionCount < settings.connectionsMax, let guest = nextInLine() else { return }
        open(for: guest)
    }

    private func nextInLine() -> GuestConnection? {
        defer { shortenLine() }
        while lineStart < line.count {
            let waiting = line[lineStart]
            lineStart += 1
            if waiting.guest.sequence == waiting.sequence, waiting.guest.isAwaitingUpstream { return waiting.guest }
        }
        return nil
    }

    /// Also while there always is somebody in line: those who have left its front must not pile up.
    private func shortenLine() {
        guard lineStart == line.count || lineStart > 1_024 && lineStart * 2 > line.count else { return }
        line.removeFirst(lineStart)
        lineStart = 0
    }
}
