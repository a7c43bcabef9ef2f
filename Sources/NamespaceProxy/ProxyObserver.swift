import HTTPWire
import LinuxHost
import Logging
import MetadataModel
import OsloLog
import RelayLoop
import RequestPath

/// Turns what the relay loop sees into the access log and into warnings, each at most once a minute.
final class ProxyObserver: RelayObserver {
    private let log: RequestLog
    private let logger = ProxyLog.proxy
    private let agentSocket: String
    private var line = ByteQueue()
    private var limiter = NoteLimiter<String>(interval: .seconds(60))

    /// Where the line per request goes, and in which form.
    enum RequestLog: Sendable {
        /// As Neutron's own proxy and agent write it.
        case neutron(AccessLogWriter)
        /// As haproxy writes it; `omitsSilent` leaves connections out on which nothing came.
        case haproxy(HaproxySyslog, omitsSilent: Bool)
        case none
    }

    init(_ log: RequestLog, agentSocket: String) {
        self.log = log
        self.agentSocket = agentSocket
    }

    func finished(_ record: ExchangeRecord, line requestLine: Span<UInt8>) {
        switch log {
        case .neutron(let access):
            guard access.isEnabled else { return }
            line.removeAll()
            AccessLine.write(record, line: requestLine, to: &line)
            line.withBytes { access.write($0) }
        case .haproxy(let syslog, let omitsSilent):
            guard syslog.takes(HaproxySyslog.requestSeverity) else { return }
            if omitsSilent, record.isSilent { return }
            line.removeAll()
            HaproxyLogLine.write(
                record,
                startedAt: HaproxyLogLine.time(before: record.duration),
                line: requestLine,
                to: &line
            )
            line.withBytes { syslog.write(HaproxySyslog.requestSeverity, $0) }
        case .none: break
        }
    }

    func batchEnded() {
        if case .neutron(let access) = log { access.flush() }
    }

    func noted(_ note: PathNote) {
        switch note {
        case .connectFailed(_, let reason):
            warn(
                "The metadata agent cannot be reached; requests are held and tried again",
                ["socket": "\(agentSocket)", "reason": "\(reason)"]
            )
        case .backendError(let status, _):
            warn("The metadata agent answered with an error", ["status": "\(status)"])
        case .refused(let verdict, let client, _):
            logger.debug(
                "Request refused",
                metadata: ["status": "\(verdict.status)", "client": "\(client?.description ?? "-")"]
            )
        case .malformed(let fault, let client):
            logger.debug(
                "Malformed request refused",
                metadata: ["client": "\(client?.description ?? "-")", "reason": "\(fault)"]
            )
        case .acceptPaused(let code):
            warn("Accepting connections pauses", ["reason": "\(systemReason(code))"])
        case .listenerFailed(let code):
            logger.error("The listener failed", metadata: ["reason": "\(systemReason(code))"])
        case .loopFailed(let error):
            logger.critical("The relay loop ended", metadata: ["reason": "\(error)"])
        // Only who talks to Nova can see these, or limits guests.
        case .signatureRefused, .instanceChanged, .tooManyConnections: break
        }
    }

    private func warn(_ message: String, _ metadata: Logger.Metadata) {
        guard let suppressed = limiter.pass(message, now: .now) else { return }
        var metadata = metadata
        if suppressed > 0 { metadata["repeated"] = "\(suppressed)" }
        logger.warning("\(message)", metadata: metadata)
    }
}
