import Synchronization

/// Set from a relay loop's thread, read by the main one.
final class StoppedFlag: Sendable {
    private let value = Atomic(false)

    func set() { value.store(true, ordering: .releasing) }
    var isSet: Bool { value.load(ordering: .acquiring) }
}
