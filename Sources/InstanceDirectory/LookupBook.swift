import MetadataModel

/// Who waits for which lookup, what may start, and what is remembered: the rules of `InstanceLookup` as a
/// value, without tasks, locks or clocks.
///
/// Callers are numbers. Times are durations since a common start and never go back.
struct LookupBook {
    typealias CallerID = UInt64
    typealias Outcome = Result<InstanceLookup.Answer, DirectoryError>

    /// A question that must be put to the directory now.
    struct Start: Hashable {
        var claim: Claim
        var lookup: UInt64
    }

    enum Step {
        case answer(Outcome)
        /// The caller will be in a later `Ending`. Any starts must be carried out.
        case wait([Start])
    }

    /// What the end of a lookup leads to.
    struct Ending {
        var outcome: Outcome
        var answered: [CallerID]
        var starts: [Start]
    }

    private struct Lookup {
        var id: UInt64
        /// Nil while queued.
        var startedAt: Duration?
        var generation: UInt64
        var callers: [CallerID]
        /// Callers for whom this lookup began too early. The next one is theirs.
        var successors: [CallerID] = []
    }

    private let settings: InstanceLookup.Settings
    private var known: RecentAnswers
    /// Apart from `known`, so that a guest that tries many addresses cannot push instances out.
    private var pauses: RecentAnswers
    private var lookups: [Claim: Lookup] = [:]
    private var queue: [Claim] = []
    private var runningCount = 0
    private var claims: [CallerID: Claim] = [:]
    private var nextLookupID: UInt64 = 0
    /// Counts calls of `removeAll`; what a lookup of an earlier generation finds is not stored.
    private var generation: UInt64 = 0
    private var tally = InstanceLookup.Counters()

    init(settings: InstanceLookup.Settings) {
        self.settings = settings
        known = RecentAnswers(
            entriesMax: settings.entriesMax,
            retention: max(settings.positiveLifetime, settings.nobodyPause)
        )
        pauses = RecentAnswers(
            entriesMax: settings.entriesMax,
            retention: max(settings.nobodyPause, settings.failurePause)
        )
    }

    var counters: InstanceLookup.Counters {
        var counters = tally
        counters.storedNow = known.count
        counters.waitingNow = claims.count
        counters.runningNow = runningCount
        counters.queuedNow = queue.count
        return counters
    }

    /// The answer that needs no waiting, if there is one.
    mutating func remembered(_ claim: Claim, _ freshness: InstanceLookup.Freshness, now: Duration) -> Outcome? {
        let instance = known.entry(for: claim, now: now)
        let pause = pauses.entry(for: claim, now: now).flatMap { entry in
            now - entry.finishedAt < pauseLength(after: entry.result) ? entry : nil
        }
        switch freshness {
        case .cached:
            if let instance, now - instance.finishedAt < settings.positiveLifetime {
                tally.hits += 1
                return outcome(of: instance, now: now)
            }
        case .fresh:
            // A pause beside an instance is the younger of the two: finding an instance ends the pause.
            if pause == nil, let instance, now - instance.finishedAt < settings.nobodyPause {
                tally.hits += 1
                return outcome(of: instance, now: now)
            }
        }
        guard let pause else { return nil }
        tally.paused += 1
        return outcome(of: pause, now: now)
    }

    mutating func ask(
        _ claim: Claim,
        _ freshness: InstanceLookup.Freshness,
        caller: CallerID,
        now: Duration
    ) -> Step {
        if let outcome = remembered(claim, freshness, now: now) { return .answer(outcome) }
        guard claims.count < settings.waitingMax else {
            tally.refused += 1
            return .answer(
                .failure(
                    DirectoryError(
                        .unavailable,
                        "\(claims.count) requests already wait for lookups. See whether the control plane is slow."
                    )
                )
            )
        }
        tally.misses += 1
        claims[caller] = claim
        guard let lookup = lookups[claim] else {
            enqueue(claim, callers: [caller])
            return .wait(startable(now: now))
        }
        tally.joined += 1
        let mayJoin = lookup.startedAt == nil || freshness == .cached && lookup.generation == generation
        if mayJoin {
            lookups[claim]?.callers.append(caller)
        } else {
            lookups[claim]?.successors.append(caller)
        }
        return .wait([])
    }

    /// The directory has answered, failed or used up its time. Nil if that lookup is already over.
    mutating func finish(_ start: Start, with result: Result<Finding, DirectoryError>, now: Duration) -> Ending? {
        guard let lookup = lookups[start.claim], lookup.id == start.lookup, let startedAt = lookup.startedAt else {
            return nil
        }
        lookups[start.claim] = nil
        runningCount -= 1
        let entry = RecentAnswers.Entry(result: result, startedAt: startedAt, finishedAt: now)
        let isCurrent = lookup.generation == generation
        if isCurrent { remember(entry, for: start.claim, now: now) }
        if case .failure = result { tally.failures += 1 }

        var answered = lookup.callers
        if !lookup.successors.isEmpty {
            if isCurrent, pauseLength(after: result) > .zero {
                answered += lookup.successors
            } else {
                enqueue(start.claim, callers: lookup.successors)
            }
        }
        for caller in answered { claims[caller] = nil }
        return Ending(outcome: outcome(of: entry, now: now), answered: answered, starts: startable(now: now))
    }

    /// The caller no longer waits. A lookup in the queue goes with its last caller; a running one goes on,
    /// because the guest will most likely ask again.
    ///
    /// - Returns: Whether it was waiting at all.
    mutating func abandon(_ caller: CallerID) -> Bool {
        guard let claim = claims.removeValue(forKey: caller) else { return false }
        tally.abandoned += 1
        guard var lookup = lookups[claim] else { return true }
        lookup.callers.removeAll { $0 == caller }
        lookup.successors.removeAll { $0 == caller }
        if lookup.startedAt == nil, lookup.callers.isEmpty {
            lookups[claim] = nil
            queue.removeAll { $0 == claim }
        } else {
            lookups[claim] = lookup
        }
        return true
    }

    /// Forgets everything found so far, and what running lookups are about to find.
    mutating func removeAll() {
        generation += 1
        known.removeAll()
        pauses.removeAll()
    }

    private mutating func enqueue(_ claim: Claim, callers: [CallerID]) {
        nextLookupID += 1
        lookups[claim] = Lookup(id: nextLookupID, generation: generation, callers: callers)
        queue.append(claim)
    }

    /// Takes from the queue what the bound allows to run.
    private mutating func startable(now: Duration) -> [Start] {
        var starts: [Start] = []
        while runningCount < max(1, settings.concurrentLookupsMax), !queue.isEmpty {
            let claim = queue.removeFirst()
            guard var lookup = lookups[claim] else { continue }
            lookup.startedAt = now
            lookup.generation = generation
            lookups[claim] = lookup
            runningCount += 1
            tally.lookups += 1
            starts.append(Start(claim: claim, lookup: lookup.id))
        }
        return starts
    }

    private mutating func remember(_ entry: RecentAnswers.Entry, for claim: Claim, now: Duration) {
        switch entry.result {
        case .success(.instance):
            known.store(entry, for: claim, now: now)
            pauses.remove(claim)
        case .success(.nobody):
            known.remove(claim)
            pauses.store(entry, for: claim, now: now)
        case .failure:
            // What was known stays known: that the control plane is away says nothing against it.
            pauses.store(entry, for: claim, now: now)
        }
    }

    private func pauseLength(after result: Result<Finding, DirectoryError>) -> Duration {
        switch result {
        case .success(.instance): .zero
        case .success(.nobody): settings.nobodyPause
        case .failure: settings.failurePause
        }
    }

    private func outcome(of entry: RecentAnswers.Entry, now: Duration) -> Outcome {
        entry.result.map { finding in
            let lifetime: Duration =
                switch finding {
                case .instance: max(.zero, settings.positiveLifetime - (now - entry.finishedAt))
                case .nobody: .zero
                }
            return InstanceLookup.Answer(finding: finding, lifetime: lifetime, askedAgo: now - entry.startedAt)
        }
    }
}
