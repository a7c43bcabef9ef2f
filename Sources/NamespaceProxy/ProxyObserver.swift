import HTTPWire
import LinuxHost
import Logging
import MetadataModel
import OsloLog
import RelayLoop
import RequestPath

/// Turns what the relay loop sees into the access log and into warnings, each at most once a minute.
final class ProxyObserver: RelayObserver {
    private let access: AccessLogWriter
    private let logger = ProxyLog.proxy
    private let agentSocket: String
    private var line = ByteQueue()
    private var limiter = NoteLimiter<String>(interval: .seconds(60))

    private let style: Style

    /// The form of the line per request.
    enum Style: Sendable {
        /// As Neutron's own proxy and agent write it.
        case neutron
        /// As haproxy writes it; `omitsSilent` leaves connections out on which nothing came.
        case haproxy(omitsSilent: Bool)
    }

    init(access: AccessLogWriter, agentSocket: String, style: Style = .neutron) {
        self.access = access
        self.agentSocket = agentSocket
        self.style = style
    }

    func finished(_ record: ExchangeRecord, line requestLine: Span<UInt8>) {
        guard access.isEnabled else { return }
        line.removeAll()
        switch style {
        case .neutron: AccessLine.write(record, line: requestLine, to: &line)
        case .haproxy(let omitsSilent):
            if omitsSilent, requestLine.isEmpty, record.status == 408 { return }
            HaproxyLogLine.write(
                record,
                startedAt: HaproxyLogLine.time(before: record.duration),
                line: requestLine,
                to: &line
            )
        }
        line.withBytes { access.write($0) }
    }

    func batchEnded() {
        access.flush()
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
