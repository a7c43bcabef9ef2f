import FoundationEssentials
import MetadataModel
import RelayLoop

/// One guest's boot, for the file of `--details`: a line of JSON.
public struct BootDetail: Encodable, Sendable {
    public var target: String
    /// The guest's own; nil if the kernel chose it.
    public var address: String?
    public var outcome: String
    /// What was lost, or where and why there is no data source.
    public var lost: [String]
    public var seconds: Double
    public var requests: Int
    public var slowestRequestMilliseconds: Double
    public var instance: String?

    init(_ result: BootResult, target: StormTarget, address: IPAddress?, slowest: LoopSpan) {
        self.target = "\(target)"
        self.address = address.map { "\($0)" }
        outcome = result.isComplete ? "complete" : result.noDataSource == nil ? "partial" : "no data source"
        lost = result.noDataSource.map { [$0.description] } ?? result.lost.map(\.name).sorted()
        seconds = result.duration.seconds
        requests = result.requests
        slowestRequestMilliseconds = Double(slowest.nanoseconds) / 1e6
        instance = result.instanceID
    }

    public func line() -> String {
        (try? StormReport.encoder(isPretty: false).encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
}
