import MetadataModel
import RelayLoop
import Testing

@testable import RequestPath

private typealias Book = AnswerBook<Int>

private func at(_ milliseconds: UInt64) -> LoopInstant {
    LoopInstant(nanoseconds: 3_000_000_000_000 + milliseconds * 1_000_000)
}

private func key(_ target: String, instance: UInt64 = 1, address: UInt32 = 1) -> Book.Key {
    Book.Key(
        instance: Instance(id: ResourceID(high: 0, low: instance), projectID: ResourceID(high: 0, low: 9)),
        address: .v4(address),
        target: Array(target.utf8)
    )
}

private func answer(_ text: String) -> Book.Answer {
    Book.Answer(contentType: Array("text/plain".utf8), body: Array(text.utf8))
}

/// A book that expectations can ask: their macro takes no mutating calls.
private final class Subject {
    var book = Book(lifetime: .seconds(5), bytesMax: 4_096)

    func find(_ key: Book.Key, _ milliseconds: UInt64 = 0, _ waiter: Int = 0) -> String {
        switch book.find(key, now: at(milliseconds), waiter) {
        case .answer(let answer): String(decoding: answer.body, as: UTF8.self)
        case .ask: "ask"
        case .wait: "wait"
        }
    }

    func keep(_ text: String, for key: Book.Key, _ milliseconds: UInt64 = 0) -> [Int] {
        book.keep(answer(text), for: key, now: at(milliseconds))
    }
}

@Suite struct AnswerBookTests {
    private let subject = Subject()

    @Test func theFirstAsksAndTheOthersWait() {
        #expect(subject.find(key("/a")) == "ask")
        #expect(subject.find(key("/a"), 0, 7) == "wait")
        #expect(subject.find(key("/a"), 0, 8) == "wait")
        #expect(subject.keep("yes", for: key("/a")) == [7, 8])
        #expect(subject.find(key("/a"), 1) == "yes")
    }

    @Test func whoWaitsForNothingIsTold() {
        _ = subject.find(key("/a"))
        _ = subject.find(key("/a"), 0, 7)
        #expect(subject.book.abandon(key("/a")) == [7])
        #expect(subject.find(key("/a")) == "ask")
    }

    @Test func instanceAddressAndTargetTellAnswersApart() {
        _ = subject.find(key("/a"))
        _ = subject.keep("mine", for: key("/a"))
        #expect(subject.find(key("/a", instance: 2)) == "ask")
        #expect(subject.find(key("/a", address: 2)) == "ask")
        #expect(subject.find(key("/b")) == "ask")
        #expect(subject.find(key("/a")) == "mine")
    }

    @Test func anAnswerDiesWhenItsTimeIsOver() {
        _ = subject.find(key("/a"))
        _ = subject.keep("old", for: key("/a"))
        #expect(subject.find(key("/a"), 4_999) == "old")
        #expect(subject.find(key("/a"), 5_000) == "ask")
        #expect(subject.book.bytes == 0)
    }

    @Test func theOldestGoFirst() {
        for number in 0..<100 {
            let key = key("/\(number)")
            _ = subject.find(key, UInt64(number))
            _ = subject.keep(String(repeating: "x", count: 200), for: key, UInt64(number))
            #expect(subject.book.bytes <= 4_096)
        }
        #expect(subject.find(key("/0"), 100) == "ask")
        #expect(subject.find(key("/99"), 100).hasPrefix("x"))
    }

    @Test func whatIsTooLargeIsNotRemembered() {
        _ = subject.find(key("/a"))
        #expect(subject.keep(String(repeating: "x", count: 5_000), for: key("/a")).isEmpty)
        #expect(subject.find(key("/a")) == "ask")
    }

    @Test func forgettingLeavesThoseWhoWait() {
        _ = subject.find(key("/a"))
        _ = subject.find(key("/a"), 0, 7)
        _ = subject.find(key("/b"))
        _ = subject.keep("b", for: key("/b"))
        subject.book.removeAll()
        #expect(subject.find(key("/b")) == "ask")
        #expect(subject.keep("a", for: key("/a")) == [7])
    }

    @Test(arguments: [
        ("/openstack/latest/meta_data.json", true), ("/latest/meta-data/", true), ("/passw", true),
        ("/openstack/latest/password", false), ("/OPENSTACK/latest/PassWord", false), ("/a/ppassword", false),
        ("/openstack/latest/p%61ssword", false), ("/%2e%2e/", false),
    ])
    func passwordsAreNeverRemembered(target: String, isCovered: Bool) {
        let bytes = Array(target.utf8)
        #expect(AnswerCache.covers(bytes.span) == isCovered)
    }
}
