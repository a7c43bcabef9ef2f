import MetadataModel
import RelayLoop

/// Step 3. From claim to instance. A loop asks through this and never waits: the answer comes by its mailbox.
public protocol ClaimResolver: Sendable {
    /// Asks the directory, and delivers exactly one resolution, from any thread.
    ///
    /// - Parameter isFresh: do not use what is stored; Nova has just said that it is wrong.
    func resolve(_ claim: Claim, isFresh: Bool, reply: ResolutionReply)
}

/// What the directory made of a claim.
public enum Resolution: Sendable {
    /// - Parameter lifetime: how long a loop may keep its own copy; zero for not at all.
    case instance(SignedInstance, lifetime: LoopSpan)
    case nobody(NotFoundReason)
    /// No answer now, but waiting can help.
    case away
    /// No answer, and waiting does not help.
    case failed
}

/// Where one resolution is to be delivered.
public struct ResolutionReply: Sendable {
    let mailbox: Mailbox<WorkerMessage>
    let ticket: ExchangeTicket

    /// Callable from any thread. A reply for a request that has ended meanwhile is dropped by the loop.
    public func deliver(_ resolution: Resolution) {
        mailbox.post(.resolution(resolution, ticket))
    }

    /// Somebody else's answer for a request that waits for it; nil: it has to ask for itself.
    func deliver(_ answer: AnswerCache.Book.Answer?) {
        mailbox.post(.sharedAnswer(answer, ticket))
    }
}

/// Names one exchange of one connection of one loop, for ever.
struct ExchangeTicket: Hashable, Sendable {
    let connection: RelayLoop.Token
    let sequence: UInt64
}

/// A loop's own copy of recent answers, so that a hit takes no lock and leaves the thread for nothing.
///
/// Only instances are kept, never "nobody": a guest that asked before its port existed must not have to
/// wait for an entry to expire.
struct InstanceCache {
    struct Entry {
        var instance: SignedInstance
        var foundAt: LoopInstant
        var expires: LoopInstant
    }

    private var entries: [Claim: Entry] = [:]
    private let entriesMax: Int

    init(entriesMax: Int) {
        self.entriesMax = entriesMax
    }

    var count: Int { entries.count }

    func entry(for claim: Claim, now: LoopInstant) -> Entry? {
        guard let entry = entries[claim], now < entry.expires else { return nil }
        return entry
    }

    mutating func store(_ instance: SignedInstance, for claim: Claim, now: LoopInstant, lifetime: LoopSpan) {
        guard lifetime > .zero else { return }
        if entries.count >= entriesMax, entries[claim] == nil {
            entries = entries.filter { now < $0.value.expires }
            // Still full: start again. The directory's own cache refills it at no cost to Neutron.
            if entries.count >= entriesMax { entries.removeAll(keepingCapacity: true) }
        }
        entries[claim] = Entry(instance: instance, foundAt: now, expires: now + lifetime)
    }

    mutating func remove(_ claim: Claim) {
        entries[claim] = nil
    }

    mutating func removeAll() {
        entries.removeAll()
    }
}
