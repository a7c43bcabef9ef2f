import Dispatch
import Glibc
import MetadataModel
public import RelayLoop
import Synchronization

/// The addresses of Nova, for relay loops to connect to.
///
/// An IP address or a UNIX-domain path is known at once and for ever. A name is looked up on a thread of its
/// own, every 30 seconds and after failed connections, at most once per second. While the DNS is away the
/// last good answer stays; a name that never resolved has no addresses, and requests are held or refused.
public final class BackendResolver: Sendable {
    /// News for the log; said once per change, not per lookup.
    public enum Event: Equatable, Sendable {
        case resolved([SocketAddress])
        /// - Parameter kept: how many addresses of an earlier answer stay in use.
        case failed(reason: String, kept: Int)
    }

    private struct State {
        var addresses: [SocketAddress]
        var schedule: ResolverSchedule
        var isStarted = false
        var isStopped = false
        var lastEvent: Event?
    }

    /// What the thread holds on to, so that a forgotten resolver can end it.
    private final class Shared: Sendable {
        let state: Mutex<State>
        let wake = DispatchSemaphore(value: 0)

        init(addresses: [SocketAddress], schedule: ResolverSchedule) {
            state = Mutex(State(addresses: addresses, schedule: schedule))
        }
    }

    private let shared: Shared
    /// Nil where there is nothing to look up.
    private let name: (host: String, port: UInt16)?
    private let lookUp: @Sendable (_ name: String, _ port: UInt16) -> AddressLookup
    private let onEvent: @Sendable (Event) -> Void

    /// - Parameters:
    ///   - lookUp: may block; called on the resolver's thread only.
    ///   - onEvent: called on the resolver's thread.
    public convenience init(
        endpoint: BackendEndpoint,
        lookUp: @escaping @Sendable (_ name: String, _ port: UInt16) -> AddressLookup = AddressLookup.system,
        onEvent: @escaping @Sendable (Event) -> Void = { _ in }
    ) {
        self.init(endpoint: endpoint, schedule: ResolverSchedule(), lookUp: lookUp, onEvent: onEvent)
    }

    init(
        endpoint: BackendEndpoint,
        schedule: ResolverSchedule,
        lookUp: @escaping @Sendable (_ name: String, _ port: UInt16) -> AddressLookup,
        onEvent: @escaping @Sendable (Event) -> Void
    ) {
        self.lookUp = lookUp
        self.onEvent = onEvent
        let addresses: [SocketAddress]
        switch endpoint.host {
        case .unix(let path):
            name = nil
            addresses = [.unix(path: path)]
        case .address(.v4(let value), let port):
            name = nil
            addresses = [.v4(value.bigEndian, port: port)]
        case .address(.v6(let high, let low), let port):
            name = nil
            addresses = [.v6(high: high, low: low, port: port, scope: 0)]
        case .name(let host, let port):
            name = (host, port)
            addresses = []
        }
        shared = Shared(addresses: addresses, schedule: schedule)
    }

    deinit {
        stop()
    }

    /// Starts the thread, if there is a name to look up. Call it after the last fork of the process (a child
    /// would inherit locks but not the thread). Once only; later calls do nothing.
    ///
    /// - Throws: `LoopError` if the process may have no more threads.
    public func start() throws(LoopError) {
        guard let name else { return }
        let isFirst = shared.state.withLock { state in
            defer { state.isStarted = true }
            return !state.isStarted
        }
        guard isFirst else { return }
        try LoopThread.start(name: "resolver") { [shared, lookUp, onEvent] in
            Self.run(shared, lookUp: { lookUp(name.host, name.port) }, onEvent: onEvent)
        }
    }

    /// Ends the thread without waiting for a lookup that may hang. The addresses stay.
    public func stop() {
        shared.state.withLock { $0.isStopped = true }
        shared.wake.signal()
    }

    /// The addresses to try, best first; empty if the name never resolved, which also asks for a lookup soon.
    /// Takes one short lock and never waits for the DNS.
    public func current() -> [SocketAddress] {
        let (addresses, isNews) = shared.state.withLock { state in
            (state.addresses, state.addresses.isEmpty && state.schedule.demand())
        }
        if isNews { shared.wake.signal() }
        return addresses
    }

    /// Says that connecting to one of the addresses failed: perhaps Nova moved.
    public func noteFailure() {
        guard name != nil else { return }
        if shared.state.withLock({ $0.schedule.demand() }) { shared.wake.signal() }
    }

    private static func run(
        _ shared: Shared,
        lookUp: () -> AddressLookup,
        onEvent: (Event) -> Void
    ) {
        while true {
            let (wait, isStopped) = shared.state.withLock { ($0.schedule.wait(at: .now), $0.isStopped) }
            if isStopped { return }
            if wait.nanoseconds > 0 {
                _ = shared.wake.wait(timeout: .now() + .nanoseconds(Int(clamping: wait.nanoseconds)))
                continue
            }
            shared.state.withLock { $0.schedule.start(at: .now) }
            let answer = lookUp()
            if let event = shared.state.withLock({ take(answer, into: &$0) }) { onEvent(event) }
        }
    }

    /// - Returns: what is worth a log line.
    private static func take(_ answer: AddressLookup, into state: inout State) -> Event? {
        let event: Event
        switch answer {
        case .found(let addresses):
            state.addresses = addresses
            event = .resolved(addresses)
        case .failed(let reason):
            event = .failed(reason: reason, kept: state.addresses.count)
        }
        defer { state.lastEvent = event }
        return event == state.lastEvent || state.isStopped ? nil : event
    }
}
