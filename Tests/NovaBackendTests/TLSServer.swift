import Foundation
import Glibc
import Testing

/// A TLS server on loopback by Python's ssl module, an implementation independent of ours, which obeys one
/// line of command per connection. It ends with the value.
final class TLSServer {
    struct Settings {
        var certificate = "good"
        /// Demand client certificates signed by this authority.
        var clientAuthority: String?
        /// `TLSv1_1`, `TLSv1_2`, `TLSv1_3`.
        var version: String?
        /// Speak no TLS at all.
        var isPlain = false
    }

    let port: UInt16
    private let process = Process()
    private let output = Pipe()
    /// Closes with this process, however that ends, and tells the server to end too.
    private let lifeline = Pipe()

    init(_ certificates: Certificates, _ settings: Settings = Settings()) throws {
        let script = certificates.path("server-\(UUID()).py")
        try Self.script.write(toFile: script, atomically: true, encoding: .utf8)
        process.executableURL = URL(fileURLWithPath: "/usr/bin/python3")
        process.arguments = [
            "-W", "ignore", script, certificates.path("\(settings.certificate).pem"),
            certificates.path("\(settings.certificate).key"),
            settings.clientAuthority.map { certificates.path("\($0).pem") } ?? "", settings.version ?? "",
            settings.isPlain ? "plain" : "tls",
        ]
        process.standardInput = lifeline
        process.standardOutput = output
        try process.run()
        var line: [UInt8] = []
        while line.last != UInt8(ascii: "\n") {
            let bytes = output.fileHandleForReading.availableData
            if bytes.isEmpty { break }
            line.append(contentsOf: bytes)
        }
        port = try #require(UInt16(String(decoding: line, as: UTF8.self).filter(\.isNumber)))
    }

    deinit {
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// A connected, non-blocking socket with small buffers, so that large transfers meet full ones.
    func connect() throws -> CInt {
        let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0)
        try #require(descriptor >= 0)
        var small: CInt = 16 * 1024
        setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &small, socklen_t(MemoryLayout<CInt>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &small, socklen_t(MemoryLayout<CInt>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(result == 0)
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        return descriptor
    }

    private static let script = #"""
        import os, socket, ssl, sys, threading, zlib

        certificate, key, client_authority, version, mode = sys.argv[1:]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.sni_callback = lambda conn, name, ctx: setattr(conn, "asked_name", name)
        if client_authority:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_authority)
        if version:
            if version == "TLSv1_1":
                context.set_ciphers("ALL:@SECLEVEL=0")
            context.minimum_version = context.maximum_version = ssl.TLSVersion[version]

        def pattern(count):
            return bytes(i * 31 % 251 for i in range(count))

        def serve(raw):
            if mode == "plain":
                raw.recv(4096)
                raw.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                raw.close()
                return
            raw.settimeout(20)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
            try:
                conn = context.wrap_socket(raw, server_side=True)
                command = b""
                while not command.endswith(b"\n"):
                    byte = conn.recv(1)
                    if not byte:
                        return
                    command += byte
                word, _, count = command.decode().strip().partition(" ")
                if word == "GET":
                    conn.sendall(pattern(int(count)))
                elif word == "PUT":
                    checksum, left = 0, int(count)
                    while left:
                        chunk = conn.recv(65536)
                        checksum = zlib.crc32(chunk, checksum)
                        left -= len(chunk)
                    conn.sendall(b"%d" % checksum)
                elif word == "BOTH":
                    count = int(count)
                    received = bytearray()
                    reader = threading.Thread(target=lambda: [received.extend(conn.recv(65536))
                                                              for _ in iter(lambda: len(received) < count, False)])
                    reader.start()
                    conn.sendall(pattern(count))
                    reader.join()
                    conn.sendall(b"%d" % zlib.crc32(bytes(received)))
                elif word == "INFO":
                    peer = conn.getpeercert() if client_authority else None
                    subject = dict(pair[0] for pair in peer["subject"]) if peer else {}
                    conn.sendall(("%s sni=%s client=%s resumed=%s" % (
                        conn.version(), getattr(conn, "asked_name", None), subject.get("commonName"),
                        conn.session_reused)).encode())
                if word == "CUT":
                    conn.sendall(b"half an answer")
                    conn.close()
                    return
                conn.unwrap().close()
            except (OSError, ssl.SSLError):
                raw.close()

        threading.Thread(target=lambda: [sys.stdin.read(), os._exit(0)], daemon=True).start()
        listener = socket.create_server(("127.0.0.1", 0))
        print(listener.getsockname()[1], flush=True)
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
        """#
}
