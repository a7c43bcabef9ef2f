import Foundation
import Synchronization

@testable import OsloMessaging

/// A message bus that answers what a test told it to, and notes what it was asked.
final class FakeClient: RPCClient {
    struct Asked: Sendable {
        var method: RemoteMethod
        var topic: String
        var context: [String: JSONValue]
        var timeout: Duration
        /// False for a cast.
        var isCall: Bool
        var resendAfter: Duration?
        var isPatient: Bool

        /// The state inside a state report.
        var agentState: JSONValue? { method.arguments["agent_state"]?["agent_state"] }
    }

    typealias Reply = Result<JSONValue, MessagingError>
    /// The second parameter counts the messages from zero.
    typealias Script = @Sendable (Asked, Int) async -> Reply

    private struct State {
        var script: Script
        var asked: [Asked] = []
    }

    private let state: Mutex<State>

    init(_ script: @escaping Script) {
        state = Mutex(State(script: script))
    }

    /// Replies one by one; the last is repeated for ever.
    convenience init(_ replies: Reply...) {
        self.init { _, number in replies[min(number, replies.count - 1)] }
    }

    var asked: [Asked] { state.withLock { $0.asked } }

    /// Replies otherwise from now on.
    func script(_ script: @escaping Script) {
        state.withLock { $0.script = script }
    }

    func call(
        _ method: RemoteMethod,
        topic: String,
        context: [String: JSONValue],
        timeout: Duration,
        resendAfter: Duration?,
        isPatient: Bool
    ) async throws(MessagingError) -> RemoteResult {
        let value = try await reply(
            to: Asked(
                method: method,
                topic: topic,
                context: context,
                timeout: timeout,
                isCall: true,
                resendAfter: resendAfter,
                isPatient: isPatient
            )
        )
        guard value != .null else { return RemoteResult(message: nil) }
        return RemoteResult(message: try? JSONEncoder().encode(["result": value]))
    }

    func cast(
        _ method: RemoteMethod,
        topic: String,
        context: [String: JSONValue],
        timeout: Duration
    ) async throws(MessagingError) {
        _ = try await reply(
            to: Asked(
                method: method,
                topic: topic,
                context: context,
                timeout: timeout,
                isCall: false,
                resendAfter: nil,
                isPatient: true
            )
        )
    }

    private func reply(to asked: Asked) async throws(MessagingError) -> JSONValue {
        let (script, number) = state.withLock { state in
            state.asked.append(asked)
            return (state.script, state.asked.count - 1)
        }
        return try await script(asked, number).get()
    }
}

extension Result where Success == JSONValue, Failure == MessagingError {
    static func failing(_ code: MessagingError.Code) -> Self {
        .failure(MessagingError(code, "The bus says \(code.rawValue)."))
    }
}

/// When something happened, in order.
final class FakeTimes: Sendable {
    private let times = Mutex<[Duration]>([])

    var all: [Duration] { times.withLock { $0 } }

    func add(_ time: Duration) {
        times.withLock { $0.append(time) }
    }
}
