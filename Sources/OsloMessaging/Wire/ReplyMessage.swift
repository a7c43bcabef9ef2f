#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// One message out of the reply queue, read as far as every reply is alike.
struct ReplyMessage: Sendable {
    /// The call it answers.
    var callID: MessageID
    /// The message's own name; nil if the server gave none.
    var uniqueID: MessageID?
    /// Whether no further message follows for this call. Servers up to Liberty send the result first and an empty
    /// message with `ending` after it.
    var isLast: Bool
    /// The server's error.
    var failure: RemoteFailure?
    /// The inner message, if it has a result other than null.
    var result: Data?

    /// - Throws: `MessagingError.malformedReply`.
    init(body: [UInt8]) throws(MessagingError) {
        let data = Data(body)
        let message = try Self.inner(data)
        let head: Head
        do {
            head = try JSONDecoder().decode(Head.self, from: message)
        } catch {
            throw MessagingError(.malformedReply, "A reply is not a JSON object with _msg_id.")
        }
        callID = MessageID(head.callID)
        uniqueID = head.uniqueID.map(MessageID.init)
        isLast = head.isLast
        failure = head.failure.map(RemoteFailure.init(text:))
        result = head.hasResult ? message : nil
    }

    /// Takes the message out of the envelope. What has no envelope is the message itself (version 1).
    private static func inner(_ data: Data) throws(MessagingError) -> Data {
        guard let envelope = try? JSONDecoder().decode(Envelope.self, from: data) else { return data }
        guard envelope.version.split(separator: ".").first == "2" else {
            throw MessagingError(.malformedReply, "A reply has the envelope version \(envelope.version.prefix(16)).")
        }
        return Data(envelope.message.utf8)
    }

    private struct Envelope: Decodable {
        var version: String
        var message: String

        private enum CodingKeys: String, CodingKey {
            case version = "oslo.version"
            case message = "oslo.message"
        }
    }

    private struct Head: Decodable {
        var callID: String
        var uniqueID: String?
        var isLast: Bool
        var failure: String?
        var hasResult: Bool

        private enum CodingKeys: String, CodingKey {
            case callID = "_msg_id"
            case uniqueID = "_unique_id"
            case isLast = "ending"
            case failure
            case result
        }

        init(from decoder: any Decoder) throws {
            let message = try decoder.container(keyedBy: CodingKeys.self)
            callID = try message.decode(String.self, forKey: .callID)
            uniqueID = try message.decodeIfPresent(String.self, forKey: .uniqueID)
            isLast = try message.decodeIfPresent(Bool.self, forKey: .isLast) ?? false
            failure = try message.decodeIfPresent(String.self, forKey: .failure)
            hasResult = try message.contains(.result) && !message.decodeNil(forKey: .result)
        }
    }
}

/// The result of a call, not yet read as any type.
public struct RemoteResult: Sendable {
    /// The reply that holds it; nil for a result of null.
    let message: Data?

    private struct Holder<Value: Decodable>: Decodable {
        var result: Value
    }

    /// The result as `Value`; nil for null.
    ///
    /// - Throws: `MessagingError.malformedReply` if it is something else.
    public func decoded<Value: Decodable>(as type: Value.Type) throws(MessagingError) -> Value? {
        guard let message else { return nil }
        do {
            return try JSONDecoder().decode(Holder<Value>.self, from: message).result
        } catch {
            throw MessagingError(.malformedReply, "The server's reply is not of the promised form: \(error).")
        }
    }
}
