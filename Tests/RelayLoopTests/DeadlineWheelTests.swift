import TestSupport
import Testing

@testable import RelayLoop

@Suite struct DeadlineWheelTests {
    private static let tick = DeadlineWheel.tick

    private func instant(_ milliseconds: UInt64) -> LoopInstant {
        LoopInstant(nanoseconds: milliseconds * 1_000_000)
    }

    private func sweep(_ wheel: inout DeadlineWheel, at milliseconds: UInt64) -> [Int] {
        var expired: [Int] = []
        wheel.sweep(now: instant(milliseconds), into: &expired)
        return expired.sorted()
    }

    @Test func deadlineIsReportedOnceAndNotEarly() {
        var wheel = DeadlineWheel(now: instant(1_000))
        wheel.set(3, due: instant(2_000))
        #expect(sweep(&wheel, at: 1_999).isEmpty)
        #expect(sweep(&wheel, at: 2_064) == [3])
        #expect(sweep(&wheel, at: 9_000).isEmpty)
    }

    @Test func droppedDeadlineIsNeverReported() {
        var wheel = DeadlineWheel(now: instant(0))
        wheel.set(0, due: instant(100))
        wheel.set(0, due: nil)
        #expect(sweep(&wheel, at: 1_000).isEmpty)
    }

    @Test func movedDeadlineCountsWhereverItMoves() {
        var wheel = DeadlineWheel(now: instant(0))
        wheel.set(0, due: instant(5_000))
        wheel.set(0, due: instant(1_000))
        #expect(sweep(&wheel, at: 1_100) == [0])
        wheel.set(0, due: instant(2_000))
        wheel.set(0, due: instant(60_000))
        #expect(sweep(&wheel, at: 59_000).isEmpty)
        #expect(sweep(&wheel, at: 60_100) == [0])
    }

    @Test func deadlineBeyondOneRevolutionWaits() {
        var wheel = DeadlineWheel(now: instant(0))
        wheel.set(7, due: instant(900_000))
        for time in stride(from: UInt64(10_000), to: 899_000, by: 10_000) {
            #expect(sweep(&wheel, at: time).isEmpty)
        }
        #expect(sweep(&wheel, at: 900_100) == [7])
    }

    @Test func pastDeadlineIsReportedAtTheNextSweep() {
        var wheel = DeadlineWheel(now: instant(50_000))
        wheel.set(1, due: instant(10))
        #expect(sweep(&wheel, at: 50_064) == [1])
    }

    @Test func nextSweepIsNilOnlyWhenNothingWaits() {
        var wheel = DeadlineWheel(now: instant(0))
        #expect(wheel.nextSweep == nil)
        wheel.set(0, due: instant(500))
        let next = wheel.nextSweep
        #expect(next.map { $0 >= instant(500) && $0 <= instant(564) } == true)
        wheel.remove(0)
        #expect(wheel.nextSweep == nil)
    }

    /// Against the obvious implementation: a dictionary of due times.
    @Test(arguments: [1, 2, 3, 4, 5] as [UInt64])
    func behavesLikeADictionary(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var now: UInt64 = 1_000_000
        var wheel = DeadlineWheel(now: instant(now))
        var model: [Int: UInt64] = [:]
        for _ in 0..<5_000 {
            let slot = Int.random(in: 0..<40, using: &random)
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5:
                let due = now + UInt64.random(in: 0..<150_000, using: &random)
                wheel.set(slot, due: instant(due))
                model[slot] = due
            case 5:
                wheel.set(slot, due: nil)
                model[slot] = nil
            case 6:
                wheel.remove(slot)
                model[slot] = nil
            default:
                now += UInt64.random(in: 0..<20_000, using: &random)
                let expired = sweep(&wheel, at: now)
                for slot in expired {
                    // Never early, never twice.
                    #expect(model[slot].map { $0 <= now } == true)
                    model[slot] = nil
                }
                // Late by at most two ticks.
                let overdue = model.filter { $0.value + 2 * Self.tick / 1_000_000 < now }
                #expect(overdue.isEmpty)
                if let earliest = model.values.min(), let next = wheel.nextSweep {
                    #expect(next <= instant(max(earliest, now) + 2 * Self.tick / 1_000_000))
                }
            }
        }
    }
}
