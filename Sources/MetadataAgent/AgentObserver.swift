import HTTPWire
import LinuxHost
import Logging
import MetadataModel
import OsloLog
import RelayLoop
import RequestPath

/// Turns what one relay loop sees into the access log and into warnings that name the cause and the remedy.
final class AgentObserver: RelayObserver {
    private let logger: Logger
    private let access: AccessLogWriter
    private var line = ByteQueue()
    private var limiter = NoteLimiter<String>(interval: .seconds(60))

    init(logger: Logger, access: AccessLogWriter) {
        self.logger = logger
        self.access = access
    }

    func finished(_ record: ExchangeRecord, line requestLine: Span<UInt8>) {
        guard access.isEnabled else { return }
        line.removeAll()
        AccessLine.write(record, line: requestLine, to: &line)
        line.withBytes { access.write($0) }
    }

    func batchEnded() {
        access.flush()
    }

    func noted(_ note: PathNote) {
        switch note {
        case .refused(let verdict, let client, let scope):
            refused(verdict, client: client, scope: scope)
        case .malformed(let fault, let client):
            logger.debug("Malformed request refused", metadata: ["client": text(client), "reason": "\(fault)"])
        case .tooManyConnections(let client, let scope):
            let who: Logger.Metadata = ["client": "\(client)", "scope": "\(scope)"]
            warn("A guest has too many connections; further ones are closed", key: "connections \(who)", who)
        case .signatureRefused(let instance):
            warn(
                """
                The remote metadata server responded with Forbidden. This response usually occurs when shared secrets \
                do not match.
                """,
                key: "403",
                ["instance_id": text(instance?.id)]
            )
        case .backendError(let status, let instance):
            warn(
                "Remote metadata server experienced an error",
                key: "backend \(status)",
                ["status": "\(status)", "instance_id": text(instance?.id)]
            )
        case .connectFailed(let address, let reason):
            warn(
                "Cannot connect to the metadata server; requests are held and tried again",
                key: "connect",
                ["address": "\(address.map { "\($0)" } ?? "-")", "reason": "\(reason)"]
            )
        case .instanceChanged(let old, let new):
            logger.info(
                "A port belongs to another instance now",
                metadata: ["before": "\(old.id)", "instance_id": "\(new.id)"]
            )
        case .acceptPaused(let code):
            warn(
                "Accepting connections pauses: raise LimitNOFILE or lower [bellhop] connections_max",
                key: "accept",
                ["reason": "\(systemReason(code))"]
            )
        case .listenerFailed(let code):
            logger.error("A listener failed", metadata: ["reason": "\(systemReason(code))"])
        case .loopFailed(let error):
            logger.critical("A relay loop ended", metadata: ["reason": "\(error)"])
        }
    }

    private func refused(_ verdict: Verdict, client: IPAddress?, scope: Scope?) {
        let who: Logger.Metadata = ["client": text(client), "scope": text(scope)]
        switch verdict {
        case .scopeMissing:
            warn(
                "A request names no network or router: check the namespace proxy's configuration",
                key: "scope missing",
                who
            )
        case .scopeAmbiguous:
            warn("A request names more than one network or router and is refused", key: "scope ambiguous", who)
        case .addressMissing:
            warn("A request carries no usable client address and is refused", key: "address missing", who)
        case .instanceNotFound(let reason):
            // The sentence of Neutron 2025.2, with the reason behind it.
            let scope = scope.map { "\($0)" } ?? "-"
            warn(
                "No port found in \(scope) with IP address \(client.map { "\($0)" } ?? "-")",
                key: "\(scope) \(client.map { "\($0)" } ?? "")",
                ["reason": "\(reason)"]
            )
        case .directoryAway:
            warn("A request was answered 503: the network service did not answer in time", key: "directory away", who)
        case .directoryFailed:
            warn("A request was answered 500: looking up the instance failed", key: "directory failed", who)
        case .backendAway:
            warn("A request was answered 503: the metadata server stayed unreachable", key: "backend away", who)
        case .backendTimeout:
            warn("A request was answered 504: the metadata server did not answer in time", key: "backend timeout", who)
        case .backendBroken:
            warn("A request was answered 502: the metadata server's answer is broken", key: "backend broken", who)
        case .backendUnexpected(let status):
            warn("Unexpected response code: \(status)", key: "unexpected \(status)", who)
        case .overloaded:
            warn("A request was answered 503: too many request bodies are being collected", key: "overloaded", who)
        case .rateLimited:
            warn("A guest asks more often than its network allows", key: "rate \(who)", who)
        case .malformedRequest, .requestTimeout, .bodyTooLarge, .targetTooLong, .headTooLarge,
            .methodNotAllowed, .expectationFailed, .versionNotSupported:
            var details = who
            details["status"] = "\(verdict.status)"
            logger.debug("Request refused", metadata: details)
        }
    }

    private func warn(_ message: Logger.Message, key: String, _ metadata: Logger.Metadata) {
        guard let suppressed = limiter.pass(key, now: .now) else { return }
        var metadata = metadata
        if suppressed > 0 { metadata["repeated"] = "\(suppressed)" }
        logger.warning(message, metadata: metadata)
    }

    private func text(_ value: (some CustomStringConvertible)?) -> Logger.MetadataValue {
        "\(value?.description ?? "-")"
    }
}
