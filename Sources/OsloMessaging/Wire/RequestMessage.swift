#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A remote method with its arguments: what a call or a cast asks for.
public struct RemoteMethod: Sendable {
    public var name: String
    /// The interface's version, `1.0`. Servers take an older minor number than their own.
    public var version: String
    public var arguments: [String: JSONValue]

    public init(_ name: String, version: String = "1.0", arguments: [String: JSONValue]) {
        self.name = name
        self.version = version
        self.arguments = arguments
    }
}

/// The body of a request: oslo.messaging's envelope 2.0, which every release since Grizzly takes.
struct RequestMessage: Sendable {
    var method: RemoteMethod
    /// The reply's way back; nil for a cast.
    var reply: (id: MessageID, queue: String)?
    var context: [String: JSONValue]

    /// - Parameter uniqueID: by which the receiver recognises a message that the broker delivers twice.
    func body(uniqueID: MessageID) throws(MessagingError) -> [UInt8] {
        var message: [String: JSONValue] = [
            "method": .string(method.name),
            "args": .object(method.arguments),
            "version": .string(method.version),
            "_unique_id": .string(uniqueID.description),
        ]
        if let reply {
            message["_msg_id"] = .string(reply.id.description)
            message["_reply_q"] = .string(reply.queue)
            // The server need not say that it is still busy (Rocky and later would, every so many seconds).
            message["_timeout"] = nil as JSONValue
        }
        for (key, value) in context { message["_context_\(key)"] = value }
        do {
            let inner = try JSONEncoder().encode(message)
            let envelope: JSONValue = [
                "oslo.version": "2.0", "oslo.message": .string(String(decoding: inner, as: UTF8.self)),
            ]
            return Array(try JSONEncoder().encode(envelope))
        } catch {
            throw MessagingError(.misconfigured, "The request \(method.name) cannot be written as JSON: \(error).")
        }
    }
}
