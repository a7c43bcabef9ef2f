import MetadataModel
import RelayLoop

/// Which answers are remembered and who waits for one that is on its way: the policy of `AnswerCache`, without locks
/// and without a clock.
///
/// The first who asks for something asks Nova, everybody else waits for that answer. What is remembered dies when its
/// time is over, and the oldest goes first when there is no room.
struct AnswerBook<Waiter: Sendable>: Sendable {
    /// Never across instances; and the address counts, because Nova's documents can show it.
    struct Key: Hashable, Sendable {
        var instance: Instance
        var address: IPAddress
        /// Path and query as the guest wrote them.
        var target: [UInt8]
    }

    /// A 200 of Nova's.
    struct Answer: Sendable, Equatable {
        var contentType: [UInt8]?
        var body: [UInt8]
    }

    enum Finding {
        case answer(Answer)
        /// Nobody has asked yet: ask Nova, and then `keep` or `abandon`.
        case ask
        /// Somebody has; the waiter was noted.
        case wait
    }

    private enum Entry {
        case asked(waiters: [Waiter])
        case answered(Answer, until: LoopInstant)
    }

    private let lifetime: LoopSpan
    private let bytesMax: Int
    private var entries: [Key: Entry] = [:]
    /// Answered keys from the oldest to the newest; some may have been answered anew since.
    private var order: [(key: Key, until: LoopInstant)] = []
    private var orderStart = 0
    private(set) var bytes = 0

    init(lifetime: LoopSpan, bytesMax: Int) {
        self.lifetime = lifetime
        self.bytesMax = bytesMax
    }

    mutating func find(_ key: Key, now: LoopInstant, _ waiter: @autoclosure () -> Waiter) -> Finding {
        switch entries[key] {
        case .answered(let answer, let until) where now < until:
            return .answer(answer)
        case .asked(var waiters):
            waiters.append(waiter())
            entries[key] = .asked(waiters: waiters)
            return .wait
        case .answered:
            forget(key)
            fallthrough
        case nil:
            entries[key] = .asked(waiters: [])
            return .ask
        }
    }

    /// Remembers what Nova said.
    ///
    /// - Returns: who waits for it.
    mutating func keep(_ answer: Answer, for key: Key, now: LoopInstant) -> [Waiter] {
        let waiters = abandon(key)
        let size = Self.size(key, answer)
        guard size <= bytesMax else { return waiters }
        makeRoom(for: size, now: now)
        let until = now + lifetime
        entries[key] = .answered(answer, until: until)
        order.append((key, until))
        bytes += size
        return waiters
    }

    /// There is nothing to remember, or nobody to tell it.
    ///
    /// - Returns: who waits for it, and has to ask for itself.
    mutating func abandon(_ key: Key) -> [Waiter] {
        guard case .asked(let waiters) = entries[key] else { return [] }
        entries[key] = nil
        return waiters
    }

    /// Forgets all answers; who waits goes on waiting.
    mutating func removeAll() {
        entries = entries.filter { if case .asked = $0.value { true } else { false } }
        order = []
        orderStart = 0
        bytes = 0
    }

    private mutating func makeRoom(for size: Int, now: LoopInstant) {
        while orderStart < order.count, bytes + size > bytesMax || order[orderStart].until <= now {
            let (key, until) = order[orderStart]
            orderStart += 1
            if case .answered(_, until) = entries[key] { forget(key) }
        }
        if orderStart > 1_024, orderStart * 2 > order.count {
            order.removeFirst(orderStart)
            orderStart = 0
        }
    }

    private mutating func forget(_ key: Key) {
        guard case .answered(let answer, _) = entries.removeValue(forKey: key) else { return }
        bytes -= Self.size(key, answer)
    }

    /// With a guess of what the bookkeeping takes.
    private static func size(_ key: Key, _ answer: Answer) -> Int {
        key.target.count + answer.body.count + (answer.contentType?.count ?? 0) + 256
    }
}
