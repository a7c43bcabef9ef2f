/// A log line that a broker could cause at the speed of the network: it is written once a minute, with the number of
/// those that were kept back.
struct RepeatedLine {
    static let interval: Duration = .seconds(60)

    private var writtenAt: Duration?
    private var keptBack = 0

    /// - Returns: how many were kept back since the last one; nil if this one is, too.
    mutating func due(at now: Duration) -> Int? {
        if let writtenAt, now - writtenAt < Self.interval {
            keptBack += 1
            return nil
        }
        writtenAt = now
        defer { keptBack = 0 }
        return keptBack
    }
}
