import Foundation
import Glibc

/// Speaks to a server by plain sockets, so that a test sees every byte of the answer.
enum RawClient {
    struct Failure: Error { let step: String }

    enum Endpoint: Sendable {
        case tcp(port: Int)
        case unix(path: String)
    }

    /// Sends `text` and reads until the server closes; the last request must ask for that.
    ///
    /// On a thread of its own: it blocks, and the server needs those of the two pools, which are one.
    static func exchange(_ endpoint: Endpoint, _ text: String) async throws -> String {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(with: Result { try blockingExchange(endpoint, Array(text.utf8)) })
            }
        }
    }

    private static func blockingExchange(_ endpoint: Endpoint, _ bytes: [UInt8]) throws -> String {
        let descriptor = try connect(endpoint)
        defer { close(descriptor) }
        // A server that does not answer fails the test instead of stopping it.
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        guard send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else {
            throw Failure(step: "send")
        }
        var answer: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = recv(descriptor, &chunk, chunk.count, 0)
            guard count >= 0 else { throw Failure(step: "recv") }
            if count == 0 { break }
            answer += chunk[..<count]
        }
        // Latin-1, so that binary bodies can be compared.
        return String(String.UnicodeScalarView(answer.map { Unicode.Scalar($0) }))
    }

    private static func connect(_ endpoint: Endpoint) throws -> CInt {
        let stream = Int32(SOCK_STREAM.rawValue)
        let result: (descriptor: CInt, status: CInt)
        switch endpoint {
        case .tcp(let port):
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = in_port_t(port).bigEndian
            address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
            result = open(socket(AF_INET, stream, 0), &address)
        case .unix(let path):
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else { throw Failure(step: "path") }
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            result = open(socket(AF_UNIX, stream, 0), &address)
        }
        guard result.status == 0 else {
            close(result.descriptor)
            throw Failure(step: "connect")
        }
        return result.descriptor
    }

    private static func open<Address>(_ descriptor: CInt, _ address: inout Address) -> (CInt, CInt) {
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<Address>.size))
            }
        }
        return (descriptor, status)
    }
}
