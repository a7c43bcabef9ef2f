import Glibc
import LinuxHost
import ListenerHandover

/// What a namespace's proxy is while the agent serves its guests: a process that holds the listening sockets and waits.
///
/// There is one per network, so it is a program of its own: linked statically and without anything it does not need, it
/// has a tenth of a megabyte to itself. It offers the sockets to a restarted agent; if none comes within a moment, it
/// becomes the whole proxy again, which serves the guests.
public enum StandbyMain {
    /// How long guests wait in the backlog for an agent that has just gone.
    private static let patienceMilliseconds = 1_000
    private static let pauseMilliseconds = 50
    private static let offerMilliseconds = 2_000

    /// - Returns: the exit status.
    public static func run() -> CInt {
        guard let state = StandbyState.inherited(), let leaseDescriptor = state.lease else {
            StandardError.write("This program is started by Bellhop's haproxy only.")
            return 1
        }
        state.adopt()
        let signals: SignalSource
        do throws(HostError) {
            signals = try SignalSource([.terminate, .interrupt, .hangUp, .finish])
        } catch {
            return 1
        }
        var lease: ListenerLease? = ListenerLease(adopting: leaseDescriptor)
        while true {
            if let current = lease {
                guard wait(signals, current.descriptor, -1) else {
                    lease = nil
                    return end(state)
                }
                // Readable means ended: an agent that has accepted says nothing more.
                if isReadable(current.descriptor) { lease = nil }
                continue
            }
            switch renew(state, signals) {
            case .leased(let fresh): lease = fresh
            // Comes back only if that is impossible: then the guests wait on, and so do we.
            case .unwanted: resume(state)
            case .stopped: return end(state)
            }
        }
    }

    /// The agent has copies of the sockets. This ends them all, so that a successor gets every new connection.
    private static func end(_ state: StandbyState) -> CInt {
        for listener in state.listeners { shutdown(listener, CInt(SHUT_RDWR)) }
        return 0
    }

    private enum Renewal {
        case leased(ListenerLease)
        /// No agent came in time.
        case unwanted
        /// A signal asks for the end.
        case stopped
    }

    /// Offers the sockets until an agent takes them or patience ends.
    private static func renew(_ state: StandbyState, _ signals: SignalSource) -> Renewal {
        let offer = Array(state.offer.utf8)
        let end = MonotonicTime.now.advanced(byMilliseconds: patienceMilliseconds)
        repeat {
            if let lease = try? ListenerLease(
                offer: offer,
                descriptors: state.listeners,
                agentPath: ListenerLease.path(besideAgentSocket: state.agentSocket),
                milliseconds: offerMilliseconds,
                unlessReadable: signals.descriptor
            ) {
                return .leased(lease)
            }
            guard wait(signals, nil, CInt(pauseMilliseconds)) else { return .stopped }
        } while MonotonicTime.now < end
        return .unwanted
    }

    /// Becomes the whole proxy.
    private static func resume(_ state: StandbyState) {
        var state = state
        state.lease = nil
        state.become(state.program)
    }

    /// Waits; false if a signal asks for the end.
    private static func wait(_ signals: SignalSource, _ descriptor: CInt?, _ milliseconds: CInt) -> Bool {
        var entries = [pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0)]
        if let descriptor { entries.append(pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)) }
        _ = poll(&entries, nfds_t(entries.count), milliseconds)
        while let signal = signals.next() {
            if signal.endsProgram { return false }
        }
        return true
    }

    private static func isReadable(_ descriptor: CInt) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 0) > 0
    }
}
