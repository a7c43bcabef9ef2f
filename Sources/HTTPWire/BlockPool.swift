/// Blocks of `ByteQueue.firstCapacity` bytes between two uses. One per relay loop: connections that are idle hold no
/// memory for bytes, and those that are busy take up what others have left, so that a request allocates nothing and
/// ten thousand idle connections need no more blocks than are busy at a time.
public struct BlockPool: ~Copyable {
    private var blocks: [UnsafeMutableRawPointer] = []
    private let countMax: Int

    /// - Parameter countMax: blocks kept at most; what comes back beyond is freed.
    public init(countMax: Int) {
        self.countMax = countMax
        blocks.reserveCapacity(countMax)
    }

    deinit {
        for block in blocks { block.deallocate() }
    }

    /// How many blocks wait.
    public var count: Int { blocks.count }

    mutating func take() -> UnsafeMutableRawPointer? { blocks.popLast() }

    /// - Returns: false if there are enough; the block stays the caller's then.
    mutating func give(_ block: UnsafeMutableRawPointer) -> Bool {
        guard blocks.count < countMax else { return false }
        blocks.append(block)
        return true
    }
}

extension ByteQueue {
    /// Takes a block from the pool if this queue has none and there is one; otherwise the first write allocates.
    public mutating func prepare(from pool: inout BlockPool) {
        guard base == nil, let block = pool.take() else { return }
        base = block
        capacity = Self.firstCapacity
    }

    /// Gives the block back if nothing is queued; one that has grown is freed.
    public mutating func park(in pool: inout BlockPool) {
        guard isEmpty, let block = base else { return }
        guard capacity == Self.firstCapacity, pool.give(block) else { return releaseIfEmpty() }
        base = nil
        capacity = 0
    }
}
