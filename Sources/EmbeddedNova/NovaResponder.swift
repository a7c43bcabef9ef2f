import HTTPTypes
import Hummingbird
import Inventory
import Logging
import MetadataModel
import NovaMetadata

/// Turns an HTTP request into a question to the gate and the tree, and the answer back into HTTP.
///
/// Each request keeps the inventory it started with. Signatures, secrets and bodies are never logged.
struct NovaResponder: HTTPResponder {
    typealias Context = BasicRequestContext

    let gate: NovaGate
    let inventory: @Sendable () -> Inventory
    let passwords: any PasswordStore
    let secondsSince1970: @Sendable () -> Int
    let logger: Logger

    func respond(to request: Request, context: Context) async throws -> Response {
        let answer = try await answer(to: request)
        logger.debug(
            "Answered a metadata request",
            metadata: [
                "method": "\(request.method.rawValue)",
                "path": "\((request.head.path ?? "").debugDescription)",
                "status": "\(answer.status)",
                "bytes": "\(answer.body.count)",
            ]
        )
        return Self.response(answer, to: request.method)
    }

    private func answer(to request: Request) async throws -> MetadataAnswer {
        let target = request.head.path ?? "/"
        if let answer = MetadataTree.publicAnswer(target: target) { return answer }
        let inventory = inventory()
        switch gate.admit({ request.headers[Self.name($0)] }, to: inventory) {
        case .refused(let answer, let warning):
            if let warning {
                // Text from the network is shown only where it cannot forge log lines.
                let id = request.headers[Self.name(.instanceID)].flatMap { ResourceID($0) }
                logger.warning("\(warning)", metadata: id.map { ["instance": "\($0)"] })
            }
            return answer
        case .admitted(let instance):
            var random = SystemRandomNumberGenerator()
            let question = MetadataRequest(
                method: request.method.rawValue,
                target: target,
                body: try await Self.body(of: request),
                clientAddress: request.headers[Self.name(.forwardedFor)].flatMap { IPAddress($0) }
            )
            do {
                return try MetadataTree(instance, in: inventory).answer(
                    question,
                    today: UTCDay(secondsSince1970: secondsSince1970()),
                    passwords: passwords,
                    random: &random
                )
            } catch {
                logger.error(
                    "Could not keep a guest's password",
                    metadata: ["instance": "\(instance.id)", "error": "\(error)"]
                )
                return .failure(500, "An unknown error has occurred. Please try your request again.")
            }
        }
    }

    /// Only a POST has a body that matters, and more than any document takes is not kept.
    private static func body(of request: Request) async throws -> MetadataRequest.Body {
        guard request.method == .post,
            request.headers.contains(.contentLength) || request.headers.contains(.transferEncoding)
        else { return .absent }
        var bytes: [UInt8] = []
        for try await part in request.body {
            guard bytes.count + part.readableBytes <= MetadataRequest.Body.bytesMax else { return .tooLarge }
            bytes.append(contentsOf: part.readableBytesView)
        }
        return .bytes(bytes)
    }

    private static func response(_ answer: MetadataAnswer, to method: HTTPRequest.Method) -> Response {
        let headers: HTTPFields = [
            .contentType: answer.contentType,
            .contentLength: String(answer.body.count),
        ]
        let body = method == .head ? ResponseBody() : ResponseBody(byteBuffer: ByteBuffer(bytes: answer.body))
        return Response(status: .init(code: answer.status), headers: headers, body: body)
    }

    private static let names: [NovaGate.Header: HTTPField.Name] = Dictionary(
        uniqueKeysWithValues: NovaGate.Header.allCases.compactMap { header in
            HTTPField.Name(header.rawValue).map { (header, $0) }
        }
    )

    /// Every header has its name in `names`; an unrelated one instead of a force unwrap.
    private static func name(_ header: NovaGate.Header) -> HTTPField.Name { names[header] ?? .cookie }
}
