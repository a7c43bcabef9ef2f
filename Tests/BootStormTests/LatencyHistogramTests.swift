import Testing

@testable import BootStorm

@Suite struct LatencyHistogramTests {
    @Test func percentilesAreWithinOnePercentOfTheTruth() {
        var histogram = LatencyHistogram()
        for value in stride(from: UInt64(10), through: 1_000_000, by: 10) { histogram.add(microseconds: value) }
        #expect(histogram.count == 100_000)
        #expect(histogram.least == 10)
        #expect(histogram.most == 1_000_000)
        for share in [0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1] {
            let truth = share * 1_000_000
            let told = Double(histogram.percentile(share))
            #expect(told >= truth * 0.999, "\(share)")
            #expect(told <= truth * 1.01, "\(share)")
        }
    }

    @Test func smallTimesAreExact() {
        var histogram = LatencyHistogram()
        for value in [3, 5, 255, 255] as [UInt64] { histogram.add(microseconds: value) }
        #expect(histogram.percentile(0.25) == 3)
        #expect(histogram.percentile(0.5) == 5)
        #expect(histogram.percentile(0.75) == 255)
        #expect(histogram.percentile(1) == 255)
    }

    @Test func noPercentileIsMoreThanTheMost() {
        var histogram = LatencyHistogram()
        histogram.add(microseconds: 1_000_001)
        #expect(histogram.percentile(0.5) == 1_000_001)
        #expect(histogram.percentile(1) == 1_000_001)
    }

    @Test func anEmptyOneSaysZero() {
        let histogram = LatencyHistogram()
        #expect(histogram.percentile(0.99) == 0)
        #expect(histogram.least == 0 && histogram.most == 0)
    }

    @Test func absurdTimesAreCounted() {
        var histogram = LatencyHistogram()
        histogram.add(microseconds: .max)
        histogram.add(microseconds: 0)
        #expect(histogram.count == 2)
        #expect(histogram.percentile(0.5) == 0)
        #expect(histogram.percentile(1) == (1 << 40) - 1)
    }
}
