import HTTPWire
import MetadataModel
import RelayLoop
import Synchronization

/// `[bellhop] response_cache_seconds`: identical GETs of one instance within that time are answered once by Nova.
///
/// Off by default, because a guest may want to see what has just changed. Shared by all loops, as a guest's connections
/// go to any of them.
public final class AnswerCache: Sendable {
    typealias Book = AnswerBook<ResolutionReply>

    public struct Settings: Sendable {
        /// Zero turns it off.
        public var lifetime: LoopSpan = .zero
        /// All answers together.
        public var bytesMax = 33_554_432

        public init() {}
    }

    /// A larger answer is not remembered: it would push out thousands of small ones.
    static let answerBytesMax = 1_048_576

    private let book: Mutex<Book>

    /// Nil if it is turned off.
    public init?(_ settings: Settings) {
        guard settings.lifetime > .zero else { return nil }
        book = Mutex(Book(lifetime: settings.lifetime, bytesMax: settings.bytesMax))
    }

    /// Whether the answer to a target may be remembered: never a password, however it is spelled, and so nothing with
    /// an escape in it.
    static func covers(_ target: Span<UInt8>) -> Bool {
        let word = "password" as StaticString
        var matched = 0
        for index in target.indices {
            let byte = target[index]
            if byte == UInt8(ascii: "%") { return false }
            let lower = byte | 0x20
            if lower == word.utf8Start[matched] {
                matched += 1
                if matched == word.utf8CodeUnitCount { return false }
            } else {
                matched = lower == word.utf8Start[0] ? 1 : 0
            }
        }
        return true
    }

    func find(_ key: Book.Key, now: LoopInstant, _ waiter: ResolutionReply) -> Book.Finding {
        book.withLock { $0.find(key, now: now, waiter) }
    }

    func keep(_ answer: Book.Answer, for key: Book.Key, now: LoopInstant) {
        for waiter in book.withLock({ $0.keep(answer, for: key, now: now) }) { waiter.deliver(answer) }
    }

    func abandon(_ key: Book.Key) {
        for waiter in book.withLock({ $0.abandon(key) }) { waiter.deliver(nil) }
    }

    /// Another secret, another Nova or another inventory: nothing is known any more.
    public func removeAll() {
        book.withLock { $0.removeAll() }
    }
}
