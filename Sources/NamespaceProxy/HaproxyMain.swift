import Glibc
import HaproxyConfig
import LinuxHost
import ListenerHandover
import Logging
import MetadataModel
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
        ignoreJobControl()
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
            // As haproxy does, when the file is read: an agent must not find out from a daemon that has gone.
            let accounts = try HaproxyAccounts(plan)
            if line.action == .check {
                if !line.isQuiet { print("Configuration file is valid") }
                return 0
            }
            return try start(plan, accounts, isQuiet: line.isQuiet)
        } catch let error as HaproxyUsageError {
            StandardError.write("\(error)")
        } catch let error as HaproxyConfigError {
            for alert in error.alerts(processID: getpid()) { StandardError.write(alert) }
        } catch {
            StandardError.write(alert("\(error)"))
        }
        return 1
    }

    /// haproxy pauses and resumes at the first two, and prints what it has in memory at the third; their default
    /// actions would stop or end the program. What is ignored here stays so in the program we stand by as.
    private static func ignoreJobControl() {
        for number in [SIGTTOU, SIGTTIN, SIGQUIT] { signal(number, SIG_IGN) }
    }

    private static func alert(_ sentence: String) -> String {
        "[ALERT]    (\(getpid())) : \(sentence)"
    }

    private static func start(
        _ plan: HaproxyPlan,
        _ accounts: HaproxyAccounts,
        isQuiet: Bool
    ) throws(HostError) -> Int32 {
        // Like haproxy, only a daemon writes it. The path is made absolute while relative ones still mean something.
        let pidFile = plan.isDaemon ? plan.pidFile.flatMap(absolute) : nil
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
        let syslog = HaproxySyslog(plan.logs, tag: plan.logTag, warnsOnStandardError: !plan.isDaemon && !isQuiet)
        syslog.bootstrap()
        do {
            FileLimits.raise()
            let signals = try SignalSource(Self.signals)
            let listeners = try HaproxyListeners.open(plan.binds, windowSeconds: bindRetrySeconds, signals)
            if let pidFile { try HaproxyPidFile.write(pidFile) }
            try accounts.take()
            for notice in plan.notices { ProxyLog.proxy.debug("\(notice)") }

            let service = service(ProxyDuty(plan), listeners, signals, HaproxyMemo(plan), syslog)
            try service.begin()
            ProxyLog.proxy.info(
                "Listening",
                metadata: [
                    "binds": "\(plan.binds.map(\.description).joined(separator: ", "))", "scope": "\(plan.scope)",
                    "socket": "\(plan.socketPath)",
                ]
            )
            report?.succeeded()
            guard try service.run(reload: {}) else { return failed("The relay loop ended; see the lines before.") }
            return 0
        } catch {
            return failed("\(error)")
        }
    }

    /// Of those that haproxy knows. SIGHUP prints its state there and does nothing here: no file is kept open.
    private static let signals: [HostSignal] = [.terminate, .interrupt, .hangUp, .finish]

    private static func absolute(_ path: String) -> String? {
        guard !path.isEmpty, !path.hasPrefix("/") else { return path.isEmpty ? nil : path }
        guard let directory = getcwd(nil, 0) else { return path }
        defer { free(directory) }
        return String(cString: directory) + "/" + path
    }

    private static func service(
        _ duty: ProxyDuty,
        _ listeners: [CInt],
        _ signals: SignalSource,
        _ memo: HaproxyMemo,
        _ syslog: HaproxySyslog,
        hasBeenLeased: Bool = false
    ) -> ProxyService {
        ProxyService(
            listeners: listeners,
            duty: duty,
            signals: signals,
            standby: StandbyProgram(memo: memo.text),
            hasBeenLeased: hasBeenLeased
        ) {
            ProxyObserver(
                memo.logsRequests ? .haproxy(syslog, omitsSilent: memo.omitsSilentConnections) : .none,
                agentSocket: duty.agentSocket
            )
        }
    }
}

extension HaproxyMain {
    /// Serves again, after this process stood by: everything is as it was but for the program.
    private static func resume(_ state: StandbyState) -> Int32 {
        state.adopt()
        do {
            let offer = try ListenerOffer(Array(state.offer.utf8))
            let memo = HaproxyMemo(text: state.memo)
            let syslog = HaproxySyslog(memo.logs, tag: offer.logTag, warnsOnStandardError: false)
            syslog.bootstrap()
            let signals = try SignalSource(Self.signals)
            var duty = ProxyDuty(offer, agentSocket: state.agentSocket)
            duty.connectTimeout = memo.connectTimeout
            let service = service(duty, state.listeners, signals, memo, syslog, hasBeenLeased: true)
            try service.begin()
            return try service.run(reload: {}) ? 0 : 1
        } catch {
            StandardError.write(alert("\(error)"))
            return 1
        }
    }
}

extension ProxyDuty {
    fileprivate init(_ offer: ListenerOffer, agentSocket: String) {
        self.init(offer: offer, agentSocket: agentSocket, hold: HoldPolicy().durationMax)
    }

    init(_ plan: HaproxyPlan) {
        var offer = ListenerOffer(scope: plan.scope)
        offer.headerFamily = plan.headerFamily == .ovn ? .ovn : .neutron
        offer.logTag = plan.logTag
        offer.requestTimeout = plan.timeouts.httpRequest.map(LoopSpan.timeout(milliseconds:))
        offer.clientTimeout = plan.timeouts.client.map(LoopSpan.timeout(milliseconds:))
        offer.keepAliveTimeout = plan.timeouts.httpKeepAlive.map(LoopSpan.timeout(milliseconds:))
        offer.answerTimeout = plan.timeouts.server.map(LoopSpan.timeout(milliseconds:))
        offer.connectionsMax = plan.connectionsMax
        offer.rate = plan.rateLimit.map { limit in
            let expiries = limit.windows.compactMap(\.expiryMilliseconds)
            return ListenerOffer.RateLimit(
                windows: limit.windows.map {
                    ListenerOffer.RateLimit.Window(
                        period: .milliseconds(UInt64($0.milliseconds)),
                        requestsMax: UInt32(clamping: $0.requestsMax)
                    )
                },
                countsIPv4: limit.addressFamily.countsIPv4,
                countsIPv6: limit.addressFamily.countsIPv6,
                entriesMax: limit.windows.map(\.entriesMax).max(),
                expiry: expiries.count == limit.windows.count
                    ? expiries.max().map { .milliseconds(UInt64($0)) } : nil
            )
        }
        self.init(offer, agentSocket: plan.socketPath)
        connectTimeout = plan.timeouts.connect.map(LoopSpan.timeout(milliseconds:))
    }
}

extension LoopSpan {
    /// As much of it as an offer can say.
    fileprivate static func timeout(milliseconds: Int) -> LoopSpan {
        .milliseconds(min(UInt64(max(milliseconds, 1)), ListenerOffer.timeoutMillisecondsMax))
    }
}
