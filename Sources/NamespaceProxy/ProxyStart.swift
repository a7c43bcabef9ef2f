import Glibc
import LinuxHost
import Logging
import OsloLog
import RelayLoop

/// The way from checked settings to a serving process, and what has to be undone at its end.
struct ProxyStart {
    let settings: ProxySettings
    /// Nil in the foreground, where no pid file is written.
    private let pidFile: PidFile?
    /// Where a waiting parent is told; nil in the foreground.
    let report: StartReport?

    /// What the command line of a running proxy contains: our name, or the interpreter of the original.
    private static let daemonNames = [NamespaceProxyMain.program, "python"]

    /// Takes the pid file and goes into the background, if that is asked for.
    static func begin(_ settings: ProxySettings, startSecondsMax: Int) throws(ProxyError) -> ProxyStart {
        guard settings.runsInBackground else { return ProxyStart(settings: settings, pidFile: nil, report: nil) }
        do throws(HostError) {
            let file: PidFile? = if let path = settings.pidFile { try PidFile(path: path) } else { nil }
            if let file, file.runningDaemon(names: daemonNames, identity: "\(settings.identity)") != nil {
                throw HostError(.pidFileLocked, "Pidfile \(file.path) already exist. Daemon already running?")
            }
            let report = try Daemon.daemonize(startSecondsMax: startSecondsMax)
            let start = ProxyStart(settings: settings, pidFile: file, report: report)
            do throws(HostError) {
                try file?.write()
            } catch {
                // From here on only the pipe reaches whoever started us.
                report.failed(status: 1, sentence: "\(NamespaceProxyMain.program): error: \(error.message)")
                start.end()
                throw error
            }
            return start
        } catch {
            throw error.code == .pidFileLocked ? ProxyError(.alreadyRunning, error.message) : ProxyError(error)
        }
    }

    /// Binds, drops privileges, serves, and returns after a clean stop.
    func serve(log: LogControl, bindRetrySeconds: Int, reload: () -> Void) throws(ProxyError) {
        FileLimits.raise()
        let signals: SignalSource
        let listener: CInt
        do throws(HostError) {
            signals = try SignalSource()
            listener = try TCPListener.open(
                address: "0.0.0.0",
                port: settings.port,
                retry: BindRetry(
                    windowSeconds: bindRetrySeconds,
                    pause: { signals.wait(milliseconds: $0)?.endsProgram != true }
                )
            )
            try Privileges.drop(user: settings.user, group: settings.group)
        } catch {
            throw ProxyError(error)
        }
        ProxyLog.daemon.info("Process runs with uid/gid: \(geteuid())/\(getegid())")
        let access = log.accessLog
        let duty = ProxyDuty(settings)
        let service = ProxyService(listeners: [listener], duty: duty, signals: signals) {
            ProxyObserver(.neutron(access), agentSocket: duty.agentSocket)
        }
        do throws(LoopError) {
            try service.begin()
        } catch {
            throw ProxyError(.host, "The relay loop cannot start: \(error)")
        }
        ProxyLog.proxy.info(
            "Listening",
            metadata: [
                "port": "\(settings.port)", "scope": "\(settings.scope)", "socket": "\(settings.agentSocket)",
            ]
        )
        report?.succeeded()
        let wasAsked: Bool
        do throws(LoopError) {
            wasAsked = try service.run(reload: reload)
        } catch {
            throw ProxyError(.host, "The relay loop cannot start: \(error)")
        }
        guard wasAsked else { throw ProxyError(.host, "The relay loop ended; see the lines before.") }
        ProxyLog.proxy.info("Stopped")
    }

    /// Removes the pid file, if it is still ours. After the drop of privileges that is usually not allowed, and
    /// the agents expect to do it themselves.
    func end() {
        pidFile?.removeIfOurs()
    }
}
