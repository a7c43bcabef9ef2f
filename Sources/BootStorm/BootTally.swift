import MetadataModel
import RelayLoop

/// How many boots ended how.
public struct BootTally: Sendable {
    /// Where a guest is: its target's number and its address there, nil if the kernel chose that.
    public struct Place: Hashable, Sendable {
        public var target: Int
        public var address: IPAddress?

        public init(target: Int, address: IPAddress?) {
            self.target = target
            self.address = address
        }
    }

    public private(set) var begun = 0
    public private(set) var ended = 0
    public private(set) var complete = 0
    public private(set) var lost: [BootResult.Part: Int] = [:]
    public private(set) var withoutDataSource: [BootResult.NoDataSource: Int] = [:]
    /// Of boots that found a data source.
    public private(set) var duration = LatencyHistogram()
    /// Of boots that gave up.
    public private(set) var wasted = LatencyHistogram()
    public private(set) var requestsLeast = 0
    public private(set) var requestsMost = 0
    /// The first place that each instance was seen at.
    private var instances: [String: Place] = [:]
    private var doubled: Set<String> = []

    public init() {}

    public mutating func begin() {
        begun += 1
    }

    public mutating func end(_ result: BootResult, at place: Place) {
        ended += 1
        let microseconds = result.duration.nanoseconds / 1_000
        if let reason = result.noDataSource {
            withoutDataSource[reason, default: 0] += 1
            wasted.add(microseconds: microseconds)
        } else {
            if result.isComplete { complete += 1 }
            for part in result.lost { lost[part, default: 0] += 1 }
            duration.add(microseconds: microseconds)
            requestsLeast = requestsLeast == 0 ? result.requests : min(requestsLeast, result.requests)
            requestsMost = max(requestsMost, result.requests)
        }
        if let instance = result.instanceID {
            let first = instances[instance] ?? place
            if first == place { instances[instance] = place } else { doubled.insert(instance) }
        }
    }

    public var noDataSource: Int { withoutDataSource.values.reduce(0, +) }
    public var unfinished: Int { begun - ended }
    public var distinctInstances: Int { instances.count }
    /// Instances that guests at different places were told to be: a mix-up, unless one instance has several addresses.
    public var instancesAtSeveralPlaces: Int { doubled.count }
}
