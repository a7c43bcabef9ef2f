import Glibc
import MetadataModel
import RelayLoop

/// Accepts connections at one door for one relay loop.
final class DoorListener: LoopHandler {
    /// Connections accepted in one turn at most, so that an accept storm does not starve the connections that stand.
    private static let acceptsMax = 64
    /// The same where several loops share a door: one that took all that wait would keep them for itself, while the
    /// others have nothing to do.
    private static let acceptsMaxShared = 4
    /// How long accepting pauses when descriptors or memory have run out, or the door is full: trying on would only
    /// spin, and who makes room may be on another loop.
    private static let exhaustedPause = LoopSpan.milliseconds(100)

    let door: Door
    private unowned let worker: RelayWorker
    private var token: RelayLoop.Token?
    private var isWatched = false
    /// Connections to accept in this turn. One, as long as they come one by one: looking for a second costs a system
    /// call, and the kernel reports again if there is one.
    private var accepts = 1
    /// The batch in which the last turn ended with connections possibly left.
    private var unfinishedBatch: UInt64?

    init(worker: RelayWorker, door: Door) {
        self.worker = worker
        self.door = door
    }

    func start() {
        token = worker.loop.add(self)
        resume()
    }

    func resume() {
        guard let token, !isWatched, worker.hasRoomForGuests else { return }
        if worker.loop.watch(token, door.socket.descriptor, as: .sharedListener) {
            isWatched = true
        } else {
            worker.observer.noted(.listenerFailed(code: errno))
        }
    }

    /// Stops accepting for good; the socket itself is closed when all loops have let go of it.
    func stop() {
        pause()
        if let token { worker.loop.remove(token) }
        token = nil
    }

    private func pause() {
        guard isWatched else { return }
        worker.loop.unwatch(door.socket.descriptor)
        isWatched = false
    }

    private func pauseShortly() {
        pause()
        if let token { worker.loop.setDeadline(token, worker.loop.now + Self.exhaustedPause) }
    }

    func ready(_ readiness: Readiness) {
        let isAgain = unfinishedBatch.map { $0 &+ 1 == worker.loop.batch } ?? false
        let acceptsMax = worker.sharesDoors ? Self.acceptsMaxShared : Self.acceptsMax
        accepts = isAgain ? min(accepts * 2, acceptsMax) : 1
        unfinishedBatch = nil
        for _ in 0..<accepts {
            guard token != nil, isWatched else { return }
            guard worker.hasRoomForGuests else { return pause() }
            guard door.limits?.hasRoom ?? true else { return pauseShortly() }
            switch Descriptor.accept(door.socket.descriptor) {
            case .connection(let descriptor, let peer):
                worker.accept(descriptor, peer: peer, at: door)
            case .skipped:
                continue
            case .wouldBlock:
                return
            case .exhausted(let code):
                worker.observer.noted(.acceptPaused(code: code))
                return pauseShortly()
            case .failed(let code):
                // A proxy that stops shuts the socket down, and its lease ends in a moment.
                if !door.isLent { worker.observer.noted(.listenerFailed(code: code)) }
                pause()
                return
            }
        }
        unfinishedBatch = worker.loop.batch
    }

    func deadlinePassed() {
        resume()
    }

    /// Takes what waits in the backlog before the door closes.
    func acceptWaiting() {
        guard isWatched, !door.isLent else { return }
        while worker.hasRoomForGuests {
            switch Descriptor.accept(door.socket.descriptor) {
            case .connection(let descriptor, let peer):
                worker.accept(descriptor, peer: peer, at: door)
            case .skipped: continue
            case .wouldBlock, .exhausted, .failed: return
            }
        }
    }
}

extension IPAddress {
    /// The address of a TCP peer; nil for a UNIX socket.
    init?(peer: SocketAddress) {
        switch peer {
        case .unix: return nil
        case .v4(let address, _): self.init(in_addr(s_addr: address))
        case .v6(let high, let low, _, _): self.init(IPAddress.v6(high: high, low: low).in6)
        }
    }
}

extension SocketAddress {
    /// 0 for a UNIX socket.
    var port: UInt16 {
        switch self {
        case .unix: 0
        case .v4(_, let port), .v6(_, _, let port, _): port
        }
    }
}
