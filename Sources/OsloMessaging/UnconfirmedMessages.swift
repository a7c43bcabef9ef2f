/// What was sent on a connection and is not confirmed yet, by the numbers that the broker uses.
struct UnconfirmedMessages {
    /// A broker may withhold its confirmations for ever. Beyond so many the oldest is forgotten.
    let countMax: Int
    private var ids: [UInt64: MessageID] = [:]

    init(countMax: Int) {
        self.countMax = countMax
    }

    var count: Int { ids.count }

    mutating func add(_ id: MessageID, tag: UInt64) {
        if ids.count >= countMax, let oldest = ids.keys.min() { ids[oldest] = nil }
        ids[tag] = id
    }

    /// The message of that number, or all up to it, which are then known no more.
    mutating func take(_ tag: UInt64, andAllBefore: Bool) -> [MessageID] {
        guard andAllBefore else { return ids.removeValue(forKey: tag).map { [$0] } ?? [] }
        let tags = ids.keys.filter { $0 <= tag }.sorted()
        return tags.compactMap { ids.removeValue(forKey: $0) }
    }
}
