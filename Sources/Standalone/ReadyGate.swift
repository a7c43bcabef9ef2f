import Synchronization

/// Runs its body at the first call of `open`, and never again.
final class ReadyGate: Sendable {
    private let isOpen = Mutex(false)
    private let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) {
        self.body = body
    }

    func open() {
        let isFirst = isOpen.withLock { isOpen in
            defer { isOpen = true }
            return !isOpen
        }
        if isFirst { body() }
    }
}
