import Glibc
import HaproxyConfig
import LinuxHost
import ListenerHandover
import Logging
import MetadataModel
import OsloLog
import RelayLoop
import RequestPath
import Standby

/// The proxy under the name `haproxy`: what the L3, DHCP and OVN agents of Pike and later start in a namespace.
///
/// It keeps haproxy's contract with them: the parent leaves with 0 once all listeners are bound and the pid file is
/// written, otherwise with 1 and a sentence on standard error; the daemon holds none of the standard descriptors open,
/// keeps its command line, and frees its addresses at once when it is told to stop.
public enum HaproxyMain {
    public static let program = "haproxy"

    /// How long to wait for an address that a predecessor still holds. haproxy tries for about a second too.
    private static let bindRetrySeconds = 2
    /// What the daemon may need in all before its parent gives up waiting.
    private static let startSecondsMax = 30

    /// Runs until it is told to stop. Must be called while the process has one thread.
    ///
    /// - Parameter arguments: without the program's own name.
    /// - Returns: the exit status: 0, or 1 for anything wrong.
    public static func run(arguments: [String]) -> Int32 {
        Daemon.occupyStandardDescriptors()
        if let state = StandbyState.inherited() { return resume(state) }
        do {
            let line = try HaproxyCommandLine(arguments)
            if case .printVersion = line.action {
                print("haproxy of Bellhop version \(BellhopVersion.text), a metadata proxy for OpenStack Neutron")
                return 0
            }
            if let directory = line.directory, chdir(directory) != 0 {
                StandardError.write(alert("Could not change to directory \(directory): \(systemReason(errno))."))
                return 1
            }
            let plan = try HaproxyPlan(line)
            if line.action == .check {
                if !line.isQuiet { print("Configuration file is valid") }
                return 0
            }
            return try start(plan)
        } catch let error as HaproxyUsageError {
            StandardError.write("\(error)")
        } catch let error as HaproxyConfigError {
            for alert in error.alerts(processID: getpid()) { StandardError.write(alert) }
        } catch {
            StandardError.write(alert("\(error)"))
        }
        return 1
    }

    private static func alert(_ sentence: String) -> String {
        "[ALERT]    (\(getpid())) : \(sentence)"
    }

    private static func start(_ plan: HaproxyPlan) throws(HostError) -> Int32 {
        let report = plan.isDaemon ? try Daemon.daemonize(startSecondsMax: startSecondsMax) : nil
        func failed(_ sentence: String) -> Int32 {
            ProxyLog.proxy.critical("\(sentence)")
            if let report {
                report.failed(status: 1, sentence: alert(sentence))
            } else {
                StandardError.write(alert(sentence))
            }
            return 1
        }
        do {
            let log = try OsloLog.bootstrap(LogSettings(plan))
            defer { log.flush() }
            FileLimits.raise()
            // Of those that haproxy knows: SIGHUP prints its state there and does nothing here.
            let signals = try SignalSource([.terminate, .interrupt, .hangUp, .finish])
            let listeners = try HaproxyListeners.open(plan.binds, windowSeconds: bindRetrySeconds, signals)
            if let path = plan.pidFile { try HaproxyPidFile.write(path) }
            try Privileges.drop(user: plan.user ?? "", group: plan.group ?? "")
            for notice in plan.notices { ProxyLog.proxy.debug("\(notice)") }

            let access = log.accessLog
            let duty = ProxyDuty(plan)
            let omitsSilent = plan.omitsSilentConnections
            let service = ProxyService(listeners: listeners, duty: duty, standby: StandbyProgram()) {
                ProxyObserver(access: access, agentSocket: duty.agentSocket, style: .haproxy(omitsSilent: omitsSilent))
            }
            try service.begin()
            ProxyLog.proxy.info(
                "Listening",
                metadata: [
                    "binds": "\(plan.binds.map(\.description).joined(separator: ", "))", "scope": "\(plan.scope)",
                    "socket": "\(plan.socketPath)",
                ]
            )
            report?.succeeded()
            guard try service.run(until: signals, reload: { log.reopen() }) else {
                return failed("The relay loop ended; see the lines before.")
            }
            return 0
        } catch {
            return failed("\(error)")
        }
    }
}

extension HaproxyMain {
    /// Serves again, after this process stood by: everything is as it was but for the program.
    private static func resume(_ state: StandbyState) -> Int32 {
        state.adopt()
        do {
            let offer = try ListenerOffer(Array(state.offer.utf8))
            let log = try OsloLog.bootstrap(LogSettings(tag: offer.logTag))
            defer { log.flush() }
            let signals = try SignalSource([.terminate, .interrupt, .hangUp, .finish])
            let access = log.accessLog
            let duty = ProxyDuty(offer, agentSocket: state.agentSocket)
            let service = ProxyService(listeners: state.listeners, duty: duty, standby: StandbyProgram()) {
                ProxyObserver(access: access, agentSocket: duty.agentSocket, style: .haproxy(omitsSilent: true))
            }
            try service.begin()
            guard try service.run(until: signals, reload: { log.reopen() }) else { return 1 }
            return 0
        } catch {
            StandardError.write(alert("\(error)"))
            return 1
        }
    }
}

extension ProxyDuty {
    fileprivate init(_ offer: ListenerOffer, agentSocket: String) {
        self.init(offer: offer, agentSocket: agentSocket, hold: HoldPolicy().durationMax)
        if let timeout = offer.answerTimeout { answerTimeout = timeout }
    }

    init(_ plan: HaproxyPlan) {
        var offer = ListenerOffer(scope: plan.scope)
        offer.headerFamily = plan.headerFamily == .ovn ? .ovn : .neutron
        offer.logTag = plan.logTag
        offer.requestTimeout = plan.timeouts.httpRequest.map(LoopSpan.milliseconds(of:))
        offer.clientTimeout = plan.timeouts.client.map(LoopSpan.milliseconds(of:))
        offer.keepAliveTimeout = plan.timeouts.httpKeepAlive.map(LoopSpan.milliseconds(of:))
        offer.answerTimeout = plan.timeouts.server.map(LoopSpan.milliseconds(of:))
        offer.connectionsMax = plan.connectionsMax
        offer.rate = plan.rateLimit.map { limit in
            ListenerOffer.RateLimit(
                windows: limit.windows.map {
                    ListenerOffer.RateLimit.Window(
                        period: .milliseconds(of: $0.milliseconds),
                        requestsMax: UInt32(clamping: $0.requestsMax)
                    )
                },
                countsIPv4: limit.addressFamily.countsIPv4,
                countsIPv6: limit.addressFamily.countsIPv6
            )
        }
        self.init(offer, agentSocket: plan.socketPath)
        if let connect = plan.timeouts.connect { connectTimeout = .milliseconds(of: connect) }
    }
}

extension LogSettings {
    /// To syslog, facility local0, the bare message.
    fileprivate init(tag: String) {
        self.init(program: tag.isEmpty ? HaproxyMain.program : tag)
        usesSyslog = true
        facility = 16
        defaultFormat = "%(message)s"
        contextFormat = "%(message)s"
        debugFormatSuffix = ""
    }

    /// To syslog under the plan's tag, if it logs at all.
    fileprivate init(_ plan: HaproxyPlan) {
        self.init(tag: plan.logTag)
        usesSyslog = !plan.logs.isEmpty
        guard let target = plan.logs.first else { return }
        facility = target.facility
        isDebug = target.level >= 7
        // Lines about requests are of level info; a log that takes only more important ones gets none of them.
        if target.level < 6 { quietLevel = target.level == 5 ? .notice : .warning }
    }
}

extension LoopSpan {
    fileprivate static func milliseconds(of count: Int) -> LoopSpan {
        .milliseconds(UInt64(max(count, 1)))
    }
}
