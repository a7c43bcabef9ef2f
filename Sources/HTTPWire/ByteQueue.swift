/// Bytes on their way through a connection: written at the back, read from the front, in one block of memory.
///
/// The block is allocated on the first write and given back by `releaseIfEmpty()`, so that an idle
/// connection holds none. It grows by doubling; the limits that keep it bounded belong to its users
/// (head size, body size, back-pressure marks).
///
/// The members on the path of every read and write are `@inlinable`: their closures then cost nothing in other modules.
public struct ByteQueue: ~Copyable {
    /// The first allocation, in bytes: a guest's request and most of Nova's answers fit.
    public static let firstCapacity = 4_096

    @usableFromInline var base: UnsafeMutableRawPointer?
    @usableFromInline var capacity = 0
    @usableFromInline var start = 0
    @usableFromInline var end = 0

    public init() {}

    deinit {
        base?.deallocate()
    }

    @inlinable
    public var count: Int { end - start }
    @inlinable
    public var isEmpty: Bool { start == end }

    /// The unread bytes. Valid only inside `body`.
    @inlinable
    public func withBytes<Result: ~Copyable, Failure: Error>(
        _ body: (Span<UInt8>) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try body(Span<UInt8>(_unsafeBytes: UnsafeRawBufferPointer(start: base.map { $0 + start }, count: count)))
    }

    /// The unread bytes for a system call. Valid only inside `body`.
    @inlinable
    public func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        body(UnsafeRawBufferPointer(start: base.map { $0 + start }, count: count))
    }

    /// Removes `count` bytes from the front; more than there are removes all.
    @inlinable
    public mutating func consume(_ count: Int) {
        start = min(start + max(count, 0), end)
        if start == end {
            start = 0
            end = 0
        }
    }

    /// Offers at least `room` free bytes at the back to `fill`, which returns how many it wrote.
    ///
    /// - Returns: what `fill` returned.
    @inlinable
    @discardableResult
    public mutating func fill(room: Int, _ fill: (UnsafeMutableRawBufferPointer) -> Int) -> Int {
        reserve(room)
        guard let base else { return 0 }
        let written = fill(UnsafeMutableRawBufferPointer(start: base + end, count: capacity - end))
        end = min(end + max(written, 0), capacity)
        return written
    }

    @inlinable
    public mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, !bytes.isEmpty else { return }
        reserve(bytes.count)
        guard let base else { return }
        (base + end).copyMemory(from: source, byteCount: bytes.count)
        end += bytes.count
    }

    @inlinable
    public mutating func append(_ bytes: Span<UInt8>) {
        bytes.withUnsafeBytes { append($0) }
    }

    public mutating func append(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { append($0) }
    }

    @inlinable
    public mutating func append(_ text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    public mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }

    @inlinable
    public mutating func append(byte: UInt8) {
        reserve(1)
        guard let base else { return }
        base.storeBytes(of: byte, toByteOffset: end, as: UInt8.self)
        end += 1
    }

    /// Appends `value` as decimal digits.
    public mutating func append(decimal value: UInt64) {
        guard value >= 10 else { return append(byte: UInt8(ascii: "0") + UInt8(value)) }
        var digits = 1
        var rest = value
        while rest >= 10 {
            rest /= 10
            digits += 1
        }
        reserve(digits)
        guard let base else { return }
        rest = value
        for place in stride(from: end + digits - 1, through: end, by: -1) {
            base.storeBytes(of: UInt8(ascii: "0") + UInt8(rest % 10), toByteOffset: place, as: UInt8.self)
            rest /= 10
        }
        end += digits
    }

    /// Appends `value` as lower-case hexadecimal digits, as a chunk size is written.
    public mutating func append(hexadecimal value: UInt64) {
        if value >= 16 { append(hexadecimal: value / 16) }
        let digit = UInt8(value % 16)
        append(byte: digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
    }

    /// Takes back the last `count` bytes, which nobody has read yet; more than there are takes all.
    public mutating func removeLast(_ count: Int) {
        end = max(end - max(count, 0), start)
        if start == end { removeAll() }
    }

    public mutating func removeAll() {
        start = 0
        end = 0
    }

    /// Gives the memory back if nothing is queued: called when a connection becomes idle.
    public mutating func releaseIfEmpty() {
        guard isEmpty else { return }
        base?.deallocate()
        base = nil
        capacity = 0
    }

    @inlinable
    mutating func reserve(_ room: Int) {
        if capacity - end < room { makeRoom(room) }
    }

    @usableFromInline
    mutating func makeRoom(_ room: Int) {
        let unread = count
        // Moving the unread bytes to the front must be paid for by bytes that were consumed since the last time, or a
        // queue that stays nearly full would move everything for every few bytes. A quarter bounds it to three moves
        // per byte and the block to twice what is needed.
        if let base, capacity - unread >= room, start >= capacity / 4 {
            base.copyMemory(from: base + start, byteCount: unread)
        } else {
            var wanted = max(capacity, Self.firstCapacity)
            while wanted - unread < room { wanted *= 2 }
            if wanted == capacity { wanted *= 2 }
            let grown = UnsafeMutableRawPointer.allocate(byteCount: wanted, alignment: 8)
            if let base {
                grown.copyMemory(from: base + start, byteCount: unread)
                base.deallocate()
            }
            base = grown
            capacity = wanted
        }
        start = 0
        end = unread
    }
}
