import Inventory

/// A whole response, ready to be written.
public struct MetadataAnswer: Hashable, Sendable {
    public let status: Int
    public let contentType: String
    public let body: [UInt8]

    public init(status: Int = 200, contentType: String, body: [UInt8]) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }

    // As WebOb writes them under Nova: text carries a charset and JSON carries none.
    static let plain = "text/plain; charset=UTF-8"
    static let html = "text/html; charset=UTF-8"
    static let json = "application/json"

    /// Text, or bytes of a guest's own in a text's clothes: user data is never recoded.
    static func text(_ body: [UInt8]) -> Self { Self(contentType: plain, body: body) }

    static func text(_ body: String) -> Self { text(Array(body.utf8)) }

    static func json(_ document: JSONValue) -> Self {
        Self(contentType: json, body: Array(document.pythonText.utf8))
    }

    /// An error page of one line.
    public static func failure(_ status: Int, _ explanation: String) -> Self {
        Self(status: status, contentType: plain, body: Array("\(explanation)\n".utf8))
    }

    public static let notFound = failure(404, "The resource could not be found.")
}
