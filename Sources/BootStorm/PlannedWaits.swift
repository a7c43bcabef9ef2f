import CBootStorm
import Glibc
import LinuxHost
import RelayLoop

/// Somebody who waits for a moment of the plan: an arrival, the pause before another attempt, the next poll.
protocol Waiter: AnyObject {
    func waitOver()
}

/// Moments that a storm has planned, exact to a fraction of a millisecond. (The loop's own deadlines are noticed up to
/// 32 ms late: good for time-outs, but guests that poll two hundred times a second would come in bursts of six.)
final class PlannedWaits: LoopHandler {
    private struct Entry {
        var due: LoopInstant
        /// Keeps the order of those that are due at the same moment.
        var number: UInt64
        var waiter: any Waiter

        func isBefore(_ other: Entry) -> Bool {
            due == other.due ? number < other.number : due < other.due
        }
    }

    private let timer: CInt
    /// A binary heap, the earliest first.
    private var heap: [Entry] = []
    private var added: UInt64 = 0
    private var armed: LoopInstant?

    init(loop: RelayLoop) throws(StormError) {
        timer = cbootstorm_timer()
        guard timer >= 0 else { throw StormError("timerfd_create failed: \(systemReason(errno)).") }
        guard loop.watch(loop.add(self), timer, as: .notification) else {
            throw StormError("The storm's timer cannot be watched: \(systemReason(errno)).")
        }
    }

    deinit {
        Descriptor.close(timer)
    }

    /// Calls `waitOver` once, at this moment or as soon as the loop comes to it.
    func add(_ waiter: any Waiter, at due: LoopInstant) {
        added += 1
        heap.append(Entry(due: due, number: added, waiter: waiter))
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[child].isBefore(heap[parent]) else { break }
            heap.swapAt(child, parent)
            child = parent
        }
        arm()
    }

    private func takeFirst() -> Entry? {
        guard let first = heap.first else { return nil }
        let last = heap.removeLast()
        guard !heap.isEmpty else { return first }
        heap[0] = last
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
                if heap[child].isBefore(heap[least]) { least = child }
            }
            guard least != parent else { return first }
            heap.swapAt(parent, least)
            parent = least
        }
    }

    private func arm() {
        guard let first = heap.first?.due, armed.map({ first < $0 }) ?? true else { return }
        armed = first
        _ = cbootstorm_arm(timer, max(first.nanoseconds, 1))
    }

    func ready(_ readiness: Readiness) {
        var expirations: UInt64 = 0
        _ = read(timer, &expirations, 8)
        armed = nil
        let now = LoopInstant.now
        while let first = heap.first, first.due <= now, let entry = takeFirst() { entry.waiter.waitOver() }
        arm()
    }

    func deadlinePassed() {}
}
