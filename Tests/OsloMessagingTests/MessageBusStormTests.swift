import Synchronization
import TestSupport
import Testing

@testable import OsloMessaging

/// All that a broker can do, at random.
@Suite(.timeLimit(.minutes(1))) struct MessageBusStormTests {
    /// A broker that loses connections, refuses messages and delivers twice, at random.
    @Test(arguments: 0..<5)
    func everyCallGetsItsOwnAnswerWhateverTheBrokerDoes(seed: UInt64) async throws {
        let random = Mutex(SplitMix64(seed: seed))
        let broker = FakeBroker()
        broker.react { sent in
            let confirmed = FakeBroker.Happening.success(.confirmed(tag: sent.tag, multiple: false))
            guard let message = sent.message, let argument = message["args"]?["filters"],
                let body = try? envelope(reply(to: sent.callID, argument))
            else { return [.failure(LinkError("not a request"))] }
            let answer = FakeBroker.Happening.success(.delivered(tag: sent.tag, body: body))
            switch random.withLock({ Int.random(in: 0..<12, using: &$0) }) {
            case 0: return [.failure(LinkError("lost"))]
            case 1: return [confirmed, .failure(LinkError("lost"))]
            case 2: return [.success(.rejected(tag: sent.tag, multiple: false))]
            case 3: return [answer, answer, confirmed]
            case 4: return [answer, .failure(LinkError("lost"))]
            default: return [confirmed, answer]
            }
        }
        try await BusStory.run(broker) { story in
            let calls = (0..<200).map { number in
                let call = story.call(
                    .string("call \(number)"),
                    timeout: .seconds(10_000),
                    resendAfter: .seconds(1),
                    isPatient: true
                )
                return (number, call)
            }
            // When all is quiet, those are left that the broker could not take, and their turn comes with the time.
            let time = Task {
                while !Task.isCancelled {
                    let count = broker.sent.count
                    try await Task.sleep(for: .milliseconds(5))
                    if broker.sent.count == count { story.advance(by: .seconds(1)) }
                }
            }
            defer { time.cancel() }
            for (number, call) in calls {
                let text = try await call.value.text
                #expect(text == "call \(number)")
            }
            #expect(broker.links.dropLast().allSatisfy { $0.ending == .abandoned })
        }
    }
}
