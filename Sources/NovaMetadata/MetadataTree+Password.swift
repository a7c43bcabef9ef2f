import Inventory

/// `password`, the only document that a guest may write: once, the password it made up, encrypted with the
/// user's public key (LP 1092311).
extension MetadataTree {
    func password(
        _ request: MetadataRequest,
        in store: any PasswordStore
    ) throws(PasswordStoreError) -> MetadataAnswer {
        let known = store.password(of: instance.id) ?? instance.password ?? ""
        switch request.method {
        case "GET":
            return MetadataAnswer(contentType: MetadataAnswer.html, body: Array(known.utf8))
        case "POST":
            return known.isEmpty ? try keep(request.body, in: store) : Self.conflict
        default:
            return .failure(400, "GET and POST only are supported.")
        }
    }

    private static let conflict = MetadataAnswer.failure(
        409,
        "There was a conflict when trying to complete your request."
    )

    /// Nova fails with 500 where this says 411, and where text is not UTF-8.
    private func keep(
        _ body: MetadataRequest.Body,
        in store: any PasswordStore
    ) throws(PasswordStoreError) -> MetadataAnswer {
        switch body {
        case .absent:
            return .failure(411, "The request body needs a Content-Length or chunked encoding.")
        case .tooLarge:
            return .failure(400, "Request is too large.")
        case .bytes(let bytes) where bytes.count > MetadataRequest.Body.bytesMax:
            return .failure(400, "Request is too large.")
        case .bytes(let bytes):
            guard let text = String(validating: bytes, as: UTF8.self) else {
                return .failure(400, "The password is not UTF-8 text.")
            }
            switch try store.store(text, for: instance.id) {
            case .stored: return MetadataAnswer(contentType: MetadataAnswer.html, body: [])
            case .alreadySet: return Self.conflict
            }
        }
    }
}
