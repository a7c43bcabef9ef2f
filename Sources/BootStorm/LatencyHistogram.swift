/// Times in microseconds, counted in buckets whose width grows with the time, so that memory does not grow with the
/// number of requests and no percentile is off by more than 0.8 %. The least and the most are exact.
public struct LatencyHistogram: Sendable {
    private static let subBits = 7
    private static let subCount = 1 << subBits
    /// About twelve days.
    private static let valueMax: UInt64 = (1 << 40) - 1

    private var buckets = [UInt32](repeating: 0, count: bucket(of: valueMax) + 1)
    public private(set) var count = 0
    public private(set) var least: UInt64 = 0
    public private(set) var most: UInt64 = 0

    public init() {}

    public mutating func add(microseconds: UInt64) {
        let value = min(microseconds, Self.valueMax)
        buckets[Self.bucket(of: value)] &+= 1
        least = count == 0 ? value : min(least, value)
        most = max(most, value)
        count += 1
    }

    /// The time that this share of all did not exceed; 0 if there is none at all.
    ///
    /// - Parameter share: 0 to 1.
    public func percentile(_ share: Double) -> UInt64 {
        guard count > 0 else { return 0 }
        let wanted = max(Int((share * Double(count)).rounded(.up)), 1)
        var seen = 0
        for (index, number) in buckets.enumerated() where number > 0 {
            seen += Int(number)
            if seen >= wanted { return min(max(Self.upperBound(of: index), least), most) }
        }
        return most
    }

    private static func bucket(of value: UInt64) -> Int {
        let bits = UInt64.bitWidth - value.leadingZeroBitCount
        guard bits > subBits + 1 else { return Int(value) }
        let shift = bits - subBits - 1
        return shift * subCount + Int(value >> UInt64(shift))
    }

    private static func upperBound(of bucket: Int) -> UInt64 {
        guard bucket >= 2 * subCount else { return UInt64(bucket) }
        let shift = bucket / subCount - 1
        let top = UInt64(bucket - shift * subCount)
        return (top + 1) << UInt64(shift) - 1
    }
}
