/// Deadlines of many connections: one each, set, moved and dropped in constant time.
///
/// A wheel of 2,048 buckets of 32 ms spans 65 s, longer than every time-out that a request meets, so that a
/// deadline is looked at only when it is due. Moving a deadline later costs one store: the entry stays in its
/// old bucket and finds its new place when that bucket comes round. A value type without a clock; time is
/// what the caller says.
struct DeadlineWheel {
    /// Nanoseconds per bucket: how late a deadline may be noticed.
    static let tick: UInt64 = 32_000_000
    static let bucketCount = 2_048

    private struct Entry {
        var due: UInt64 = 0
        var next: Int32 = -1
        var previous: Int32 = -1
        /// -1 when the entry is not in the wheel.
        var bucket: Int32 = -1
        /// False when the deadline was dropped; the entry leaves when its bucket comes round.
        var isArmed = false
    }

    private var entries: [Entry] = []
    private var heads = [Int32](repeating: -1, count: bucketCount)
    /// One bit per non-empty bucket.
    private var occupied = [UInt64](repeating: 0, count: bucketCount / 64)
    /// The first tick that has not been swept yet.
    private var sweptTo: UInt64

    init(now: LoopInstant) {
        sweptTo = now.nanoseconds / Self.tick
    }

    /// Sets the deadline of `slot`, or drops it.
    mutating func set(_ slot: Int, due: LoopInstant?) {
        if slot >= entries.count {
            guard due != nil else { return }
            entries.append(contentsOf: repeatElement(Entry(), count: slot + 1 - entries.count))
        }
        guard let due else {
            entries[slot].isArmed = false
            return
        }
        let wanted = due.nanoseconds
        if entries[slot].bucket >= 0 {
            // In the wheel already. A later time is picked up when the old bucket comes round.
            if entries[slot].due <= wanted {
                entries[slot].due = wanted
                entries[slot].isArmed = true
                return
            }
            unlink(slot)
        }
        entries[slot].due = wanted
        entries[slot].isArmed = true
        link(slot)
    }

    /// Forgets `slot` altogether, when its connection ends.
    mutating func remove(_ slot: Int) {
        guard slot < entries.count else { return }
        if entries[slot].bucket >= 0 { unlink(slot) }
        entries[slot].isArmed = false
    }

    /// When to look again at the latest; nil if there is nothing to wait for.
    var nextSweep: LoopInstant? {
        let start = Int(sweptTo % UInt64(Self.bucketCount))
        var distance = 0
        while distance < Self.bucketCount {
            let bucket = (start + distance) % Self.bucketCount
            let word = occupied[bucket >> 6] >> UInt64(bucket & 63)
            if word != 0 {
                distance += word.trailingZeroBitCount
                // A set bit may lie behind the end of this revolution; then it is a whole one away.
                return LoopInstant(nanoseconds: (sweptTo + UInt64(distance) + 1) * Self.tick)
            }
            distance += 64 - (bucket & 63)
        }
        return nil
    }

    /// Appends every slot whose deadline has passed to `expired`, each once, and drops its deadline.
    mutating func sweep(now: LoopInstant, into expired: inout [Int]) {
        let current = now.nanoseconds / Self.tick
        guard current > sweptTo else { return }
        let ticks = min(current - sweptTo, UInt64(Self.bucketCount))
        let first = current - ticks
        sweptTo = current
        for tick in first..<current {
            let bucket = Int(tick % UInt64(Self.bucketCount))
            guard occupied[bucket >> 6] >> UInt64(bucket & 63) & 1 == 1 else { continue }
            var slot = Int(heads[bucket])
            while slot >= 0 {
                let next = Int(entries[slot].next)
                unlink(slot)
                if entries[slot].isArmed {
                    if entries[slot].due <= now.nanoseconds {
                        entries[slot].isArmed = false
                        expired.append(slot)
                    } else {
                        link(slot)
                    }
                }
                slot = next
            }
        }
    }

    private mutating func link(_ slot: Int) {
        // Never into a tick that has been swept, nor further than one revolution ahead.
        let tick = min(max(entries[slot].due / Self.tick, sweptTo), sweptTo + UInt64(Self.bucketCount) - 1)
        let bucket = Int(tick % UInt64(Self.bucketCount))
        entries[slot].bucket = Int32(bucket)
        entries[slot].previous = -1
        entries[slot].next = heads[bucket]
        if heads[bucket] >= 0 { entries[Int(heads[bucket])].previous = Int32(slot) }
        heads[bucket] = Int32(slot)
        occupied[bucket >> 6] |= 1 << UInt64(bucket & 63)
    }

    private mutating func unlink(_ slot: Int) {
        let entry = entries[slot]
        if entry.next >= 0 { entries[Int(entry.next)].previous = entry.previous }
        if entry.previous >= 0 {
            entries[Int(entry.previous)].next = entry.next
        } else {
            let bucket = Int(entry.bucket)
            heads[bucket] = entry.next
            if entry.next < 0 { occupied[bucket >> 6] &= ~(1 << UInt64(bucket & 63)) }
        }
        entries[slot].bucket = -1
        entries[slot].next = -1
        entries[slot].previous = -1
    }
}
