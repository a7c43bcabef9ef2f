import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

/// An HTTP/1.1 server on loopback that answers by a function and remembers what it was asked.
final class FakeServer: Sendable {
    struct Request: Sendable {
        var method: String
        /// Without the query.
        var path: String
        var query: String
        var headers: [String: String]
        var body: String
    }

    enum Reply: Sendable {
        case respond(Int, String, headers: [String: String] = [:])
        /// Closes the connection instead of answering.
        case hangUp
        /// Never answers.
        case silence
    }

    private let channel: any Channel
    private let seen = Mutex<[Request]>([])
    private let isTLS: Bool

    private init(channel: any Channel, isTLS: Bool) {
        self.channel = channel
        self.isTLS = isTLS
    }

    /// Runs `body` with a server that lives as long.
    static func run<Result>(
        tls: NIOSSLContext? = nil,
        answer: @escaping @Sendable (Request, FakeServer) -> Reply,
        _ body: (FakeServer) async throws -> Result
    ) async throws -> Result {
        let slot = Slot()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 64)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls)) }
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(Handler(slot: slot, answer: answer))
                }
            }
            .bind(host: "127.0.0.1", port: 0)
            .get()
        let server = FakeServer(channel: channel, isTLS: tls != nil)
        slot.server.withLock { $0 = server }
        do {
            let result = try await body(server)
            try await channel.close()
            return result
        } catch {
            try? await channel.close()
            throw error
        }
    }

    var port: Int { channel.localAddress?.port ?? 0 }

    /// Without a slash at the end.
    var url: String { "\(isTLS ? "https" : "http")://127.0.0.1:\(port)" }

    var requests: [Request] { seen.withLock { $0 } }

    fileprivate func record(_ request: Request) {
        seen.withLock { $0.append(request) }
    }

    /// The handlers are made before the server has its port.
    fileprivate final class Slot: Sendable {
        let server = Mutex<FakeServer?>(nil)
    }
}

private final class Handler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let slot: FakeServer.Slot
    private let answer: @Sendable (FakeServer.Request, FakeServer) -> FakeServer.Reply
    private var head: HTTPRequestHead?
    private var body = ""

    init(
        slot: FakeServer.Slot,
        answer: @escaping @Sendable (FakeServer.Request, FakeServer) -> FakeServer.Reply
    ) {
        self.slot = slot
        self.answer = answer
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            body = ""
        case .body(let part):
            body += String(buffer: part)
        case .end:
            guard let head, let server = slot.server.withLock({ $0 }) else { return }
            let parts = head.uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
            let request = FakeServer.Request(
                method: head.method.rawValue,
                path: String(parts[0]),
                query: parts.count > 1 ? String(parts[1]) : "",
                headers: Dictionary(head.headers.map { ($0.name.lowercased(), $0.value) }) { $0 + "," + $1 },
                body: body
            )
            server.record(request)
            write(answer(request, server), context)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func write(_ reply: FakeServer.Reply, _ context: ChannelHandlerContext) {
        switch reply {
        case .silence: break
        case .hangUp: context.close(promise: nil)
        case .respond(let status, let text, let extra):
            var headers = HTTPHeaders(extra.map { ($0.key, $0.value) })
            if status != 204 { headers.add(name: "Content-Length", value: "\(text.utf8.count)") }
            let head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: status), headers: headers)
            context.write(wrapOutboundOut(.head(head)), promise: nil)
            if status != 204 {
                context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: text)))), promise: nil)
            }
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }
    }
}
