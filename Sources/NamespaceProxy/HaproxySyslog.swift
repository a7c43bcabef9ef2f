import Glibc
import HTTPWire
import HaproxyConfig
import LinuxHost
import Logging

/// Log lines as haproxy sends them: a datagram for each `log` target, `<134>Nov 25 19:10:29 TAG[PID]: LINE`.
///
/// The socket is not connected, so that a log daemon may be restarted, and nothing ever waits for one: a line that it
/// does not take at once is lost, as it is with haproxy.
final class HaproxySyslog: Sendable {
    /// syslog's number of the level of lines about requests.
    static let requestSeverity = 6

    private let targets: [HaproxyLog]
    private let tag: String
    /// In the foreground, warnings are for whoever looks at it.
    private let warnsOnStandardError: Bool
    /// -1 without a target.
    private let descriptor: CInt

    /// rsyslog's own limit; longer lines are cut rather than refused.
    private static let lineBytesMax = 8_000

    init(_ targets: [HaproxyLog], tag: String, warnsOnStandardError: Bool) {
        self.targets = targets
        self.tag = tag
        self.warnsOnStandardError = warnsOnStandardError
        let kind = CInt(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        descriptor = targets.isEmpty ? -1 : socket(AF_UNIX, kind, 0)
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    /// Whether anybody takes lines of this severity.
    func takes(_ severity: Int) -> Bool {
        targets.contains { $0.level >= severity }
    }

    /// The least important severity that anybody takes.
    var quietestSeverity: Int { targets.map(\.level).max() ?? 0 }

    func write(_ severity: Int, _ line: Span<UInt8>) {
        guard takes(severity) else { return }
        var bytes: [UInt8] = []
        let count = min(line.count, Self.lineBytesMax)
        bytes.reserveCapacity(count + 1)
        for index in 0..<count { bytes.append(line[index]) }
        send(severity, bytes)
    }

    /// A line of the program's own, made safe for a log file.
    func write(_ severity: Int, _ message: String) {
        var bytes: [UInt8] = []
        for byte in message.utf8.prefix(Self.lineBytesMax) {
            bytes.append(byte < 0x20 || byte == 0x7F ? UInt8(ascii: " ") : byte)
        }
        if warnsOnStandardError, severity <= 4 {
            let name = severity < 4 ? "[ALERT]  " : "[WARNING]"
            StandardError.write("\(name)  (\(getpid())) : \(String(decoding: bytes, as: UTF8.self))")
        }
        send(severity, bytes)
    }

    private func send(_ severity: Int, _ line: [UInt8]) {
        let head = " \(tag)[\(getpid())]: "
        var text = [UInt8](repeating: 0, count: 24)
        var now = time(nil)
        var parts = tm()
        localtime_r(&now, &parts)
        // RFC 3164: a day below ten has a blank in front.
        let length = text.withUnsafeMutableBytes { buffer in
            strftime(buffer.baseAddress, buffer.count, "%b %e %H:%M:%S", &parts)
        }
        for target in targets where target.level >= severity {
            let datagram =
                Array("<\(target.facility << 3 | severity)>".utf8) + text.prefix(length) + Array(head.utf8) + line
                + [UInt8(ascii: "\n")]
            _ = withUnixAddress(Array(target.path.utf8)) { address, size in
                sendto(
                    descriptor,
                    datagram,
                    datagram.count,
                    CInt(MSG_NOSIGNAL) | CInt(MSG_DONTWAIT),
                    address,
                    size
                )
            }
        }
    }
}

extension HaproxySyslog {
    /// Makes this the log of all loggers created from now on. Once in a process.
    func bootstrap() {
        LoggingSystem.bootstrap { [self] _ in HaproxyLogHandler(syslog: self) }
    }
}

/// swift-log's side: the message, and behind it the details as `name="value"`.
struct HaproxyLogHandler: LogHandler {
    let syslog: HaproxySyslog
    var logLevel: Logger.Level
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?

    init(syslog: HaproxySyslog) {
        self.syslog = syslog
        let levels: [Logger.Level] = [.critical, .critical, .critical, .error, .warning, .notice, .info, .debug]
        logLevel = levels[min(max(syslog.quietestSeverity, 4), 7)]
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let details = metadata.merging(event.metadata ?? [:]) { _, given in given }
            .sorted { $0.key < $1.key }
            .map { " \($0.key)=\"\($0.value)\"" }
        syslog.write(Self.severity(event.level), event.message.description + details.joined())
    }

    private static func severity(_ level: Logger.Level) -> Int {
        switch level {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }
}
