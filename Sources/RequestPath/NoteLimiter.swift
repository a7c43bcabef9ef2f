import RelayLoop

/// Lets a line through at most once per interval and key, and counts what it kept back: an unknown guest that asks
/// every second must not fill the log (LP 2112130).
public struct NoteLimiter<Key: Hashable> {
    private struct Entry {
        var last: LoopInstant
        var suppressed = 0
    }

    private var entries: [Key: Entry] = [:]
    private let interval: LoopSpan
    private let entriesMax: Int

    public init(interval: LoopSpan, entriesMax: Int = 1_024) {
        self.interval = interval
        self.entriesMax = entriesMax
    }

    /// How many equal lines were kept back since the last one if this one may pass; nil if it is kept back too.
    public mutating func pass(_ key: Key, now: LoopInstant) -> Int? {
        if let entry = entries[key], now.since(entry.last) < interval {
            entries[key]?.suppressed += 1
            return nil
        }
        let suppressed = entries[key]?.suppressed ?? 0
        if entries.count >= entriesMax, entries[key] == nil { entries.removeAll(keepingCapacity: true) }
        entries[key] = Entry(last: now)
        return suppressed
    }
}
