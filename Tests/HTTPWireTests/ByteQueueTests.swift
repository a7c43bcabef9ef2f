import Glibc
import HTTPWire
import Testing

/// The queue against an array that does the same.
struct ByteQueueTests {
    /// `#expect` cannot look into a noncopyable value, so everything about it is taken out first.
    private func expect(
        _ queue: borrowing ByteQueue,
        holds expected: [UInt8],
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let contents = queue.withUnsafeBytes { Array($0) }
        let (count, isEmpty) = (queue.count, queue.isEmpty)
        #expect(contents == expected, sourceLocation: sourceLocation)
        #expect(count == expected.count, sourceLocation: sourceLocation)
        #expect(isEmpty == expected.isEmpty, sourceLocation: sourceLocation)
    }

    @Test func writesOfEveryKindComeOutInOrder() {
        var queue = ByteQueue()
        expect(queue, holds: [])
        queue.append("static " as StaticString)
        queue.append("caf\u{E9} \(queue.count) ")
        queue.append([1, 2])
        let three: [UInt8] = [3]
        queue.append(three.span)
        queue.append(byte: 4)
        queue.append(decimal: 0)
        queue.append(decimal: 18_446_744_073_709_551_615)
        queue.append(hexadecimal: 0)
        queue.append(hexadecimal: 0x9AF)
        queue.append(hexadecimal: .max)
        let expected =
            Array("static caf\u{E9} 7 ".utf8) + [1, 2, 3, 4] + Array("0184467440737095516150".utf8)
            + Array("9afffffffffffffffff".utf8)
        expect(queue, holds: expected)
        queue.withBytes { (bytes: Span<UInt8>) in
            #expect(bytes.count == expected.count)
            #expect(bytes[3] == UInt8(ascii: "t"))
        }
    }

    @Test func emptyWritesAreNothing() {
        var queue = ByteQueue()
        let nothing: [UInt8] = []
        queue.append(nothing)
        queue.append("" as StaticString)
        queue.append("")
        queue.append(nothing.span)
        expect(queue, holds: [])
        queue.consume(3)
        queue.releaseIfEmpty()
        expect(queue, holds: [])
    }

    @Test func fillOffersTheRoomThatWasAskedFor() {
        var queue = ByteQueue()
        var expected: [UInt8] = []
        for room in [1, 4_096, 4_097, 70_000] {
            var offered = 0
            let returned = queue.fill(room: room) { free in
                offered = free.count
                free[0] = 9
                return 1
            }
            #expect(offered >= room)
            #expect(returned == 1)
            expected.append(9)
            expect(queue, holds: expected)
        }
        // What a failed system call returns takes nothing, and a wrong count is bounded.
        let failed = queue.fill(room: 1) { _ in -1 }
        #expect(failed == -1)
        expect(queue, holds: expected)
        let free = queue.fill(room: 1) { free in
            for index in free.indices { free[index] = 7 }
            return free.count + 100
        }
        expect(queue, holds: expected + [UInt8](repeating: 7, count: free - 100))
    }

    @Test func consumingMoreThanThereIsEmptiesIt() {
        var queue = ByteQueue()
        queue.append([1, 2, 3])
        queue.consume(-5)
        expect(queue, holds: [1, 2, 3])
        queue.consume(.max)
        expect(queue, holds: [])
        queue.append([4])
        expect(queue, holds: [4])
    }

    @Test func memoryIsGivenBackOnlyWhenEmpty() {
        var queue = ByteQueue()
        queue.append([UInt8](repeating: 1, count: 100_000))
        queue.releaseIfEmpty()
        expect(queue, holds: [UInt8](repeating: 1, count: 100_000))
        queue.removeAll()
        queue.releaseIfEmpty()
        let offered = queue.fill(room: 1) { $0.count }
        #expect(offered == ByteQueue.firstCapacity)
    }

    /// A relay that writes as fast as it reads must not let the block grow without end.
    @Test func steadyTrafficStaysInASmallBlock() {
        var queue = ByteQueue()
        var offered = 0
        for round in 0..<2_000 {
            queue.append([UInt8](repeating: UInt8(truncatingIfNeeded: round), count: 1_000))
            if queue.count > 3_000 { queue.consume(1_000) }
            queue.fill(room: 1) { free in
                offered = max(offered, free.count)
                return 0
            }
        }
        #expect(offered <= 2 * ByteQueue.firstCapacity)
    }

    @Test(arguments: 1...4 as ClosedRange<UInt64>)
    func queueBehavesLikeAnArray(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        // Prime in length, so that misplaced bytes never look right.
        let pattern = (0..<40_009).map { UInt8(truncatingIfNeeded: $0 % 251) }
        var queue = ByteQueue()
        var model: [UInt8] = []
        for step in 0..<1_500 {
            let amount = random.below(random.below(10) == 0 ? 20_000 : 300)
            let offset = random.below(20_000)
            let bytes = Array(pattern[offset..<offset + amount])
            switch random.below(8) {
            case 0, 1:
                queue.append(bytes)
                model += bytes
            case 2:
                queue.append(bytes.span)
                model += bytes
            case 3:
                let written = random.below(amount + 1)
                queue.fill(room: amount) { free in
                    bytes.withUnsafeBytes { free.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<written])) }
                    return written
                }
                model += bytes[..<written]
            case 4:
                let value = random.next() >> UInt64(random.below(64))
                queue.append(decimal: value)
                queue.append(hexadecimal: value)
                model += Array((String(value) + String(value, radix: 16)).utf8)
            case 5 where random.below(20) == 0:
                queue.removeAll()
                model.removeAll()
            default:
                let dropped = random.below(2 * amount + 1)
                queue.consume(dropped)
                model.removeFirst(min(dropped, model.count))
                queue.releaseIfEmpty()
            }
            let count = queue.count
            let isSame = queue.withUnsafeBytes { queued in
                model.withUnsafeBytes { expected in
                    guard let left = queued.baseAddress, let right = expected.baseAddress else { return true }
                    return memcmp(left, right, min(queued.count, expected.count)) == 0
                }
            }
            guard count == model.count, isSame else {
                Issue.record("differs from the array after step \(step)")
                return
            }
        }
    }
}
