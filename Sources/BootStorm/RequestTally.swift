import RelayLoop

/// What became of many requests.
public struct RequestTally: Sendable {
    public private(set) var begun = 0
    public private(set) var answered = 0
    public private(set) var statuses: [Int: Int] = [:]
    public private(set) var failures: [CallFailure: Int] = [:]
    /// Bodies that ended before their announced length.
    public private(set) var shortBodies = 0
    /// From the attempt to connect to the last byte of the answer, whatever its status.
    public private(set) var latency = LatencyHistogram()

    public init() {}

    public mutating func begin() {
        begun += 1
    }

    public mutating func end(_ outcome: CallOutcome, after span: LoopSpan) {
        switch outcome {
        case .answered(let answer):
            answered += 1
            statuses[answer.status, default: 0] += 1
            if answer.isCutShort { shortBodies += 1 }
            latency.add(microseconds: span.nanoseconds / 1_000)
        case .failed(let failure):
            failures[failure, default: 0] += 1
        }
    }

    /// Answers other than 200, and requests without an answer.
    public var troubles: Int {
        answered - (statuses[200] ?? 0) + failures.values.reduce(0, +)
    }
}
