import CBootStorm
import CEpoll
import Glibc
import HTTPWire
import LinuxHost
import MetadataModel
import RelayLoop

/// Who makes a call, and is told how it ended.
protocol Caller: AnyObject {
    func callEnded(_ outcome: CallOutcome)
}

/// One request at a time, each on a new connection: opens it from the guest's address in the guest's namespace, sends,
/// reads the answer, closes. What the bytes mean is `AnswerReader`'s.
///
/// The caller owns it and uses it again. It may start the next call from within `callEnded`.
final class Call: LoopHandler {
    private enum Phase {
        case idle
        case connecting
        case sending
        case receiving
    }

    private unowned let storm: StormLoop
    private unowned let caller: any Caller
    private let route: Route
    /// Ends each connection with a reset, which leaves no trace in the kernel: for those who open thousands a second.
    private let resetsAfterwards: Bool

    private var phase = Phase.idle
    private var descriptor: CInt = -1
    private var place: RelayLoop.Token?
    private var request: [UInt8] = []
    private var sent = 0
    private var reader = AnswerReader()
    private var patience = Patience(silence: .zero)
    private(set) var began = LoopInstant(nanoseconds: 0)

    init(storm: StormLoop, caller: any Caller, route: Route, resetsAfterwards: Bool = false) {
        self.storm = storm
        self.caller = caller
        self.route = route
        self.resetsAfterwards = resetsAfterwards
    }

    /// Sends a GET. Ends with one `callEnded`, perhaps before this returns.
    func start(target: String, patience: Patience) {
        self.patience = patience
        request = storm.request(target)
        sent = 0
        began = .now
        switch Connector.connect(route, storm.spaces) {
        case .failed(let failure):
            caller.callEnded(.failed(failure))
            return
        case .connecting(let opened):
            descriptor = opened
        }
        let token = storm.loop.add(self)
        place = token
        phase = .connecting
        extendDeadline()
        // On loopback the connection usually stands already: the request goes out without a trip through epoll.
        send()
        // It may have failed, and the caller have started another.
        guard place == token else { return }
        guard storm.loop.watch(token, descriptor, as: .connection) else {
            return end(.failed(.local(code: errno)))
        }
    }

    /// Drops whatever is under way; the caller is not told.
    func drop() {
        guard phase != .idle else { return }
        close(withReset: true)
    }

    // MARK: Events

    func ready(_ readiness: Readiness) {
        switch phase {
        case .idle: break
        case .connecting, .sending:
            if readiness.contains(.writable) { send() }
            if phase == .receiving, readiness.contains(.readable) { receive() }
        case .receiving:
            if readiness.contains(.readable) { receive() }
        }
    }

    func deadlinePassed() {
        end(.failed(phase == .connecting ? .connectTimedOut : .timedOut))
    }

    private func send() {
        let transfer = request.withUnsafeBytes { bytes in
            Descriptor.write(descriptor, UnsafeRawBufferPointer(rebasing: bytes[sent...]))
        }
        switch transfer {
        case .wouldBlock:
            // Not connected yet, or a guest's request that does not fit the socket's buffer, which none does.
            break
        case .bytes(let count):
            sent += count
            phase = sent == request.count ? .receiving : .sending
            extendDeadline()
        case .failed(let code):
            end(.failed(Connector.failure(code)))
        case .endOfStream:
            end(.failed(.closed))
        }
    }

    private func receive() {
        while true {
            var transfer = Transfer.wouldBlock
            let step = reader.read { room in
                transfer = Descriptor.read(descriptor, into: room)
                if case .bytes(let count) = transfer { return count }
                return 0
            }
            switch transfer {
            case .wouldBlock: return
            case .failed(let code): return end(.failed(Connector.failure(code)))
            case .endOfStream:
                if case .complete(let answer) = reader.endOfStream() { return end(.answered(answer)) }
                return end(.failed(.closed))
            case .bytes:
                switch step {
                case .needMore: extendDeadline()
                case .fault: return end(.failed(.malformed))
                case .complete(let answer): return end(.answered(answer))
                }
            }
        }
    }

    private func extendDeadline() {
        guard let place else { return }
        let silent = LoopInstant.now + patience.silence
        storm.loop.setDeadline(place, patience.total.map { min(silent, began + $0) } ?? silent)
    }

    // MARK: The end

    private func end(_ outcome: CallOutcome) {
        close(withReset: resetsAfterwards)
        caller.callEnded(outcome)
    }

    private func close(withReset: Bool) {
        if let place { storm.loop.remove(place) }
        place = nil
        phase = .idle
        reader.reset()
        if withReset { Descriptor.resetOnClose(descriptor) }
        Descriptor.close(descriptor)
        descriptor = -1
    }
}

/// From where to where: one client's way to its target.
struct Route {
    var target: SocketAddress
    var space: NetworkSpaces.Place?
    var source: SocketAddress?
}

/// Opens connections from chosen addresses in chosen namespaces.
enum Connector {
    enum Opening {
        /// Under way or there already; readiness for writing tells.
        case connecting(CInt)
        case failed(CallFailure)
    }

    static func connect(_ route: Route, _ spaces: NetworkSpaces) -> Opening {
        do throws(StormError) { try spaces.enter(route.space) } catch { return .failed(.local(code: EPERM)) }
        let descriptor = cepoll_socket(route.target.family)
        guard descriptor >= 0 else { return .failed(.local(code: errno)) }
        if let source = route.source, let code = bind(descriptor, source) {
            Descriptor.close(descriptor)
            return .failed(.local(code: code))
        }
        let result = route.target.withSockAddr { Glibc.connect(descriptor, $0, $1) }
        if result == 0 || errno == EINPROGRESS || errno == EINTR { return .connecting(descriptor) }
        let code = errno
        Descriptor.close(descriptor)
        return .failed(failure(code))
    }

    /// Nil, or the errno of the address's refusal.
    static func bind(_ descriptor: CInt, _ source: SocketAddress) -> CInt? {
        // The port is chosen by connect(2), for this target: one address has 28,000 ports per target, not in all.
        var on: CInt = 1
        let option = cbootstorm_bind_address_no_port()
        setsockopt(descriptor, CInt(IPPROTO_IP), option, &on, socklen_t(MemoryLayout<CInt>.size))
        return source.withSockAddr { Glibc.bind(descriptor, $0, $1) } == 0 ? nil : errno
    }

    static func failure(_ code: CInt) -> CallFailure {
        switch code {
        case ECONNREFUSED: .refused
        case ECONNRESET, EPIPE, ECONNABORTED: .reset
        case ETIMEDOUT: .connectTimedOut
        case EADDRNOTAVAIL, EMFILE, ENFILE, ENOBUFS, ENOMEM: .local(code: code)
        default: .network(code: code)
        }
    }
}
