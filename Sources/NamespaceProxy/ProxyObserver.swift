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
    private var line: [UInt8] = []
    private var warned: [String: LoopInstant] = [:]

    private static let warningInterval = LoopSpan.seconds(60)

    init(access: AccessLogWriter, agentSocket: String) {
        self.access = access
        self.agentSocket = agentSocket
    }

    func finished(_ record: ExchangeRecord, line requestLine: Span<UInt8>) {
        guard access.isEnabled else { return }
        line.removeAll(keepingCapacity: true)
        ProxyAccessLine.append(record, line: requestLine, to: &line)
        // A span must not outlive its array, which a property could be replaced under.
        let bytes = line
        access.write(bytes.span)
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
            warn("Accepting connections pauses", ["reason": "\(systemErrorText(code))"])
        case .listenerFailed(let code):
            logger.error("The listener failed", metadata: ["reason": "\(systemErrorText(code))"])
        case .loopFailed(let error):
            logger.critical("The relay loop ended", metadata: ["reason": "\(error)"])
        // Only who talks to Nova can see these.
        case .signatureRefused, .instanceChanged: break
        }
    }

    /// The sentences are few and fixed, so the table of them stays small.
    private func warn(_ message: String, _ metadata: Logger.Metadata) {
        let now = LoopInstant.now
        if let last = warned[message], now.since(last) < Self.warningInterval { return }
        warned[message] = now
        logger.warning("\(message)", metadata: metadata)
    }
}
