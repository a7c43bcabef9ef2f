import HTTPWire
import MetadataModel
import RelayLoop

/// The request between its head and its answer: carries out what `Exchange` decides.
extension GuestConnection {
    func resolve() {
        guard let sender, let head else { return }
        phase = .exchanging
        var claim: Claim?
        var cached: InstanceCache.Entry?
        if worker.resolver != nil {
            guard let made = Claim(scope: sender.scope, address: sender.address) else {
                return refuse(.instanceNotFound(.addressNamesNoPort))
            }
            claim = made
            cached = worker.cache.entry(for: made, now: worker.loop.now)
        }
        perform(
            exchange.begin(
                claim: claim,
                cached: cached,
                arrived: arrived,
                heldBefore: sender.heldBefore,
                isRepeatable: body == nil && collected.isEmpty && (head.method == .get || head.method == .head),
                answerTimeout: answerTimeout,
                now: worker.loop.now
            )
        )
    }

    func resolved(_ resolution: Resolution, sequence: UInt64) {
        guard sequence == self.sequence, phase == .exchanging else { return }
        let before = exchange.instance?.instance
        if case .instance(let signed, let lifetime) = resolution, let sender,
            let claim = Claim(scope: sender.scope, address: sender.address)
        {
            worker.cache.store(signed, for: claim, now: worker.loop.now, lifetime: lifetime)
            if let before, before != signed.instance {
                worker.observer.noted(.instanceChanged(from: before, to: signed.instance))
            }
        } else if before != nil, let sender, let claim = Claim(scope: sender.scope, address: sender.address) {
            // What was stored has just been contradicted, or can no longer be relied on after a 404.
            worker.cache.remove(claim)
        }
        perform(exchange.resolved(resolution, heldNow: worker.heldRequests, now: worker.loop.now))
    }

    func perform(_ action: Exchange.Action) {
        wakeUp()
        switch action {
        case .wait:
            break
        case .resolve(let claim, let isFresh):
            watch()
            worker.resolve(claim, isFresh: isFresh, for: self)
        case .forward:
            if isServedByCache() { return }
            connect()
        case .forwardAgain:
            dropUpstream()
            // For another instance than before.
            leaveCache()
            cacheRole = .alone
            connect()
        case .sleep:
            isAsleep = true
            worker.heldRequests += 1
            watch()
        case .passOn:
            phase = .passingOn
            setDeadline(worker.loop.now + patience)
            upstream?.passOn()
            return
        case .refuse(let verdict):
            refuse(verdict)
            return
        }
        // Once the request is on its way, `progressed` has set it: a connection may be ready at once.
        if phase == .exchanging, exchange.state != .sent { setDeadline(exchange.deadline) }
    }

    /// The ticket by which the directory's answer finds its way back.
    var ticket: ExchangeTicket? {
        place.map { ExchangeTicket(connection: $0, sequence: sequence) }
    }

    func wakeUp() {
        guard isAsleep else { return }
        isAsleep = false
        worker.heldRequests -= 1
    }

    // MARK: Towards the next hop

    private func connect() {
        // What cannot be repeated is not sent on a connection that may have died meanwhile, and neither is what has
        // already met one of those.
        let isRepeatable = head.map { $0.method == .get || $0.method == .head } ?? true
        worker.pool.connect(self, isFresh: !isRepeatable || exchange.hasRetriedReused)
    }

    /// Whether this request stands in the line for a connection.
    var isAwaitingUpstream: Bool {
        phase == .exchanging && upstream == nil && exchange.state == .connecting
    }

    func upstreamStarted(_ connection: UpstreamConnection) {
        upstream = connection
        isUpstreamReady = false
    }

    func upstreamReady(_ connection: UpstreamConnection) {
        guard let head, let sender else { return }
        isUpstreamReady = true
        let framing: Forward.Body =
            switch head.framing {
            case .none, .untilClose: .none
            case .length(let count): .length(count)
            case .chunked: .length(UInt64(collected.count))
            }
        let credentials: Forward.Credentials =
            if let instance = exchange.instance {
                .instance(instance)
            } else {
                .scope(sender.scope, worker.settings.scopeHeaders, held: exchange.wasHeld ? heldSoFar : .zero)
            }
        headBytes.withBytes { bytes in
            connection.send(method: head.method) { output in
                Forward.writeHead(
                    of: head,
                    in: bytes,
                    to: &output,
                    hopLines: worker.pool.hopLines,
                    address: sender.address,
                    credentials: credentials,
                    body: framing
                )
            }
        }
        if forwardedAt == nil { forwardedAt = worker.loop.now }
        if !collected.isEmpty { collected.withBytes { connection.send($0) } }
        progressed()
        if body != nil {
            inviteBody()
            streamBody()
        }
        connection.flush()
    }

    private var heldSoFar: LoopSpan {
        let held = worker.loop.now.since(arrived)
        return LoopSpan(nanoseconds: held.nanoseconds + (sender?.heldBefore.nanoseconds ?? 0))
    }

    func upstreamFailed(_ failure: Exchange.Failure) {
        upstream = nil
        isUpstreamReady = false
        perform(exchange.failed(failure, heldNow: worker.heldRequests, now: worker.loop.now))
    }

    /// The next hop has taken what was queued.
    func upstreamDrained() {
        streamBody()
    }

    func dropUpstream() {
        let connection = upstream
        upstream = nil
        isUpstreamReady = false
        connection?.close()
    }

    func upstreamLeft() {
        upstream = nil
        isUpstreamReady = false
    }

    /// How long one side may do nothing while an answer is passed on.
    var patience: LoopSpan {
        max(limits.clientTimeout, answerTimeout)
    }

    private var answerTimeout: LoopSpan { limits.answerTimeout ?? worker.pool.settings.answerTimeout }
}
