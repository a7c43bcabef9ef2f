import FoundationEssentials
import MetadataModel

/// The result of a storm, so far or at its end: what `--report json` prints, and what the text and the progress line are
/// made of.
public struct StormReport: Encodable, Sendable {
    /// How some times are spread.
    public struct Times: Encodable, Sendable {
        public var count: Int
        public var least: Double
        public var p50: Double
        public var p90: Double
        public var p99: Double
        public var p999: Double
        public var most: Double

        init(_ histogram: LatencyHistogram, perUnit microseconds: Double) {
            count = histogram.count
            least = Double(histogram.least) / microseconds
            p50 = Double(histogram.percentile(0.5)) / microseconds
            p90 = Double(histogram.percentile(0.9)) / microseconds
            p99 = Double(histogram.percentile(0.99)) / microseconds
            p999 = Double(histogram.percentile(0.999)) / microseconds
            most = Double(histogram.most) / microseconds
        }
    }

    public struct Requests: Encodable, Sendable {
        public var begun: Int
        public var answered: Int
        public var perSecond: Double
        public var statuses: [String: Int]
        /// Requests without an answer, by reason.
        public var errors: [String: Int]
        public var shortBodies: Int
        public var milliseconds: Times

        init(_ tally: RequestTally, seconds: Double) {
            begun = tally.begun
            answered = tally.answered
            perSecond = seconds > 0 ? Double(tally.answered) / seconds : 0
            statuses = Dictionary(uniqueKeysWithValues: tally.statuses.map { ("\($0.key)", $0.value) })
            errors = Self.merged(tally.failures.map { ("\($0.key)", $0.value) })
            shortBodies = tally.shortBodies
            milliseconds = Times(tally.latency, perUnit: 1_000)
        }

        static func merged(_ pairs: [(String, Int)]) -> [String: Int] {
            Dictionary(pairs, uniquingKeysWith: +)
        }
    }

    public struct Boots: Encodable, Sendable {
        public var begun: Int
        public var complete: Int
        public var withoutUserData: Int
        public var withoutVendorData: Int
        public var withoutNetworkData: Int
        public var withoutEc2Tree: Int
        public var noDataSource: Int
        public var unfinished: Int
        /// Where and why guests gave up, and how many.
        public var reasons: [String: Int]
        public var requestsLeast: Int
        public var requestsMost: Int
        /// Of boots that found a data source.
        public var seconds: Times
        /// Of boots that gave up.
        public var wastedSeconds: Times
        public var instances: Int
        public var instancesAtSeveralAddresses: Int

        init(_ tally: BootTally) {
            begun = tally.begun
            complete = tally.complete
            withoutUserData = tally.lost[.userData] ?? 0
            withoutVendorData = tally.lost[.vendorData] ?? 0
            withoutNetworkData = tally.lost[.networkData] ?? 0
            withoutEc2Tree = tally.lost[.ec2Tree] ?? 0
            noDataSource = tally.noDataSource
            unfinished = tally.unfinished
            reasons = Requests.merged(tally.withoutDataSource.map { ("\($0.key)", $0.value) })
            requestsLeast = tally.requestsLeast
            requestsMost = tally.requestsMost
            seconds = Times(tally.duration, perUnit: 1e6)
            wastedSeconds = Times(tally.wasted, perUnit: 1e6)
            instances = tally.distinctInstances
            instancesAtSeveralAddresses = tally.instancesAtSeveralPlaces
        }
    }

    public struct Hostile: Encodable, Sendable {
        public var kind: String
        public var connections: Int
        public var notConnected: Int
        public var thrownOut: Int
        public var outlasted: Int
        public var left: Int
        public var statuses: [String: Int]
        public var keptSeconds: Times

        init(_ kind: HostileClient.Kind, _ tally: HostileTally) {
            self.kind = kind.rawValue
            connections = tally.connections
            notConnected = tally.notConnected
            thrownOut = tally.thrownOut
            outlasted = tally.outlasted
            left = tally.left
            statuses = Dictionary(uniqueKeysWithValues: tally.statuses.map { ("\($0.key)", $0.value) })
            keptSeconds = Times(tally.kept, perUnit: 1e6)
        }
    }

    public var version = BellhopVersion.text
    public var profile: String
    public var guests: Int
    public var targets: Int
    public var seconds: Double
    public var interrupted: Bool
    /// Nil when polling.
    public var boots: Boots?
    /// Of the guests that behave.
    public var requests: Requests
    public var pollsSkipped: Int?
    /// Nil if there was no such guest.
    public var abusive: Requests?
    public var hostile: [Hostile]

    init(_ storm: StormLoop, seconds: Double, wasInterrupted: Bool) {
        let plan = storm.plan
        profile = plan.profile.name
        guests = plan.guests
        targets = plan.targets.count
        self.seconds = seconds
        interrupted = wasInterrupted
        requests = Requests(storm.ordinary, seconds: seconds)
        if case .boot = plan.activity {
            boots = Boots(storm.boots)
        } else {
            pollsSkipped = storm.pollsSkipped
        }
        if plan.abusiveCount > 0 { abusive = Requests(storm.abusive, seconds: seconds) }
        hostile = HostileClient.Kind.allCases.compactMap { kind in
            storm.hostile[kind].map { Hostile(kind, $0) }
        }
    }

    /// Every boot complete, or every poll answered with 200.
    public var isWell: Bool {
        if let boots { return boots.complete == boots.begun && !interrupted }
        return requests.errors.isEmpty && requests.statuses.keys.allSatisfy { $0 == "200" } && pollsSkipped == 0
    }

    static func encoder(isPretty: Bool) -> JSONEncoder {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if isPretty { encoder.outputFormatting.insert(.prettyPrinted) }
        return encoder
    }

    public func json() -> String {
        (try? Self.encoder(isPretty: true).encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }
}
