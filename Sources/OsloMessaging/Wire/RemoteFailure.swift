#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// An exception of the server's, as oslo.messaging carries it: all of it is data and nothing is run.
public struct RemoteFailure: Error, Sendable, Hashable {
    /// The exception's class, `NoSuchMethod`; empty if the failure could not be read.
    public var type: String
    /// The Python module of the class, `oslo_messaging.rpc.dispatcher`.
    public var module: String
    public var message: String

    /// - Parameter text: the `failure` of a reply: JSON once more. Other text becomes the message.
    init(text: String) {
        guard let fields = try? JSONDecoder().decode(Fields.self, from: Data(text.utf8)) else {
            self.init(type: "", module: "", message: text)
            return
        }
        self.init(type: fields.class ?? "", module: fields.module ?? "", message: fields.message ?? "")
    }

    init(type: String, module: String, message: String) {
        self.type = type
        self.module = module
        self.message = message
    }

    private struct Fields: Decodable {
        var `class`: String?
        var module: String?
        var message: String?
    }

    /// Whether the server lacks the method, or has it in another version or namespace only: what a Juno server says
    /// to `get_ports`. A class of that name from elsewhere is an error of the method itself.
    var isAboutDispatch: Bool {
        guard ["NoSuchMethod", "UnsupportedVersion"].contains(type) else { return false }
        // Juno's library had a dot in its name.
        return module == "oslo_messaging.rpc.dispatcher" || module == "oslo.messaging.rpc.dispatcher"
    }

    func error(method: String, topic: String) -> MessagingError {
        // A traceback's worth of text helps nobody in one log line.
        let text = message.count > 300 ? "\(message.prefix(300))..." : message
        if isAboutDispatch {
            return MessagingError(.noSuchMethod, "The server on topic \(topic) does not offer \(method): \(text)")
        }
        let kind = type.isEmpty ? "an error" : module.isEmpty ? type : "\(module).\(type)"
        return MessagingError(
            .remoteFailure,
            "The server on topic \(topic) failed in \(method) with \(kind): \(text). Its log has the traceback."
        )
    }
}
