/// Which broker is tried next, and after how long: fail-over and back-off.
///
/// The list is shuffled once, so that a thousand agents do not all choose the first node. Each node is tried once
/// before there is a pause, which grows from round to round.
struct BrokerRotation: Sendable {
    private let brokers: [MessagingSettings.Broker]
    private let retry: MessagingSettings.Retry
    private var index = 0
    private var failuresInRound = 0
    private var pause: Duration

    /// - Parameter brokers: at least one.
    init(
        _ brokers: [MessagingSettings.Broker],
        retry: MessagingSettings.Retry,
        using generator: inout some RandomNumberGenerator
    ) {
        self.brokers = brokers.shuffled(using: &generator)
        self.retry = retry
        pause = retry.first
    }

    var current: MessagingSettings.Broker { brokers[index] }

    /// `current` could not be reached, or was lost.
    ///
    /// - Returns: how long to wait before the next one, which is `current` from now on, is tried.
    mutating func failed(using generator: inout some RandomNumberGenerator) -> Duration {
        index =
            retry.isShuffled ? brokers.indices.randomElement(using: &generator) ?? 0 : (index + 1) % brokers.count
        failuresInRound += 1
        guard failuresInRound >= brokers.count else { return .zero }
        failuresInRound = 0
        defer { pause = min(pause + retry.growth, max(retry.longest, retry.first)) }
        return pause
    }

    /// A connection stands: the next failure is the first again.
    mutating func succeeded() {
        failuresInRound = 0
        pause = retry.first
    }
}
