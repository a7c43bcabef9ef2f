import MetadataModel

/// What lookups found lately, bounded in number and age.
///
/// Times are durations since a common start, so that this is a plain value. All entries live equally long;
/// their order of arrival is therefore the order in which they expire, and dropping from the front drops
/// first what has expired and then what is oldest.
struct RecentAnswers {
    struct Entry {
        var result: Result<Finding, DirectoryError>
        var startedAt: Duration
        var finishedAt: Duration
    }

    private struct Slot {
        var entry: Entry
        var serial: UInt64
    }

    let entriesMax: Int
    let retention: Duration

    private var slots: [Claim: Slot] = [:]
    /// Oldest first. An item whose serial is no longer that of its claim's slot is void.
    private var order: [(claim: Claim, serial: UInt64)] = []
    private var head = 0
    private var serial: UInt64 = 0

    init(entriesMax: Int, retention: Duration) {
        self.entriesMax = entriesMax
        self.retention = retention
    }

    var count: Int { slots.count }

    /// The entry of `claim`, unless it is as old as the retention time.
    func entry(for claim: Claim, now: Duration) -> Entry? {
        guard let entry = slots[claim]?.entry, now - entry.finishedAt < retention else { return nil }
        return entry
    }

    mutating func store(_ entry: Entry, for claim: Claim, now: Duration) {
        guard entriesMax > 0, retention > .zero else { return }
        serial += 1
        slots[claim] = Slot(entry: entry, serial: serial)
        order.append((claim, serial))
        dropFromFront(now: now)
    }

    mutating func remove(_ claim: Claim) {
        slots[claim] = nil
    }

    mutating func removeAll() {
        slots = [:]
        order = []
        head = 0
    }

    private mutating func dropFromFront(now: Duration) {
        while head < order.count {
            let (claim, serial) = order[head]
            if let slot = slots[claim], slot.serial == serial {
                guard now - slot.entry.finishedAt >= retention || slots.count > entriesMax else { break }
                slots[claim] = nil
            }
            head += 1
        }
        // Void items behind a long-lived front are cleared when they outnumber the living ones.
        guard order.count > 2 * slots.count + 64 else { return }
        order = order[head...].filter { slots[$0.claim]?.serial == $0.serial }
        head = 0
    }
}
