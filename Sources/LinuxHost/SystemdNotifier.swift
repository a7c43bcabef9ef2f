import CLinuxHost
import Glibc

/// Tells systemd how the program is: the protocol of sd_notify(3), one datagram to `$NOTIFY_SOCKET`.
///
/// Spoken here and not through libsystemd, which would bring a shared library into programs that should run
/// anywhere; the protocol is a documented, stable interface. Outside systemd every call does nothing.
public struct SystemdNotifier: Sendable {
    /// The socket's name, with the leading `@` of an abstract one already turned into NUL. Nil: nobody listens.
    private let socketName: [UInt8]?

    /// For the environment this process was started with.
    public init() {
        self.init(environment: getenv("NOTIFY_SOCKET").map { ["NOTIFY_SOCKET": String(cString: $0)] } ?? [:])
    }

    /// - Parameter environment: the program's environment variables.
    public init(environment: [String: String]) {
        guard var name = environment["NOTIFY_SOCKET"].map({ Array($0.utf8) }), name.count > 1,
            name[0] == UInt8(ascii: "/") || name[0] == UInt8(ascii: "@")
        else {
            socketName = nil
            return
        }
        if name[0] == UInt8(ascii: "@") { name[0] = 0 }
        socketName = name
    }

    /// The program serves. To be sent once, after the listener is there.
    @discardableResult
    public func ready() -> Bool { send(["READY=1"]) }

    /// The program has begun to stop.
    @discardableResult
    public func stopping() -> Bool { send(["STOPPING=1"]) }

    /// The program reads its configuration again; `ready()` must follow when that is done.
    ///
    /// - Parameter now: the current time; `Type=notify-reload` of systemd 253 compares it.
    @discardableResult
    public func reloading(now: MonotonicTime = .now) -> Bool {
        send(["RELOADING=1", "MONOTONIC_USEC=\(now.microseconds)"])
    }

    /// A line for `systemctl status`.
    @discardableResult
    public func status(_ text: String) -> Bool {
        send(["STATUS=" + text.map { $0.isNewline ? " " : $0 }])
    }

    /// - Returns: whether systemd got it. A failure is no reason to do anything: the program runs.
    private func send(_ assignments: [String]) -> Bool {
        guard let socketName else { return false }
        let descriptor = clinuxhost_socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue))
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        let message = Array(assignments.joined(separator: "\n").utf8)
        let sent = withUnixAddress(socketName) { address, length in
            sendto(descriptor, message, message.count, CInt(MSG_NOSIGNAL), address, length)
        }
        return sent == message.count
    }
}
