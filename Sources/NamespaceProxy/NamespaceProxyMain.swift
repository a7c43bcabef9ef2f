import Glibc
import LinuxHost
import Logging
import MetadataModel
import OsloConfig
import OsloLog
import RelayLoop

/// `neutron-ns-metadata-proxy`: listens in a network's namespace and relays guests' requests to the agent.
///
/// The steps and their order are those of Neutron's own proxy of Grizzly to Ocata: options, logging, option dump,
/// pid file, background, port, privileges, serving. One thing differs on purpose: the original's parent left with
/// status 0 before the port was bound, so that the agent that had started it never learnt of a failure. Here it
/// waits until the daemon serves, and otherwise leaves with 1 and the reason on standard error.
public enum NamespaceProxyMain {
    public static let program = "neutron-ns-metadata-proxy"

    /// Every option: the proxy's and oslo.log's.
    public static let options = ProxyOptions.all + LoggingOptions.all

    /// How long to wait for a port that a predecessor still holds.
    private static let bindRetrySeconds = 30
    /// What the daemon may need beyond that before its parent gives up waiting.
    private static let startReserveSeconds = 10

    /// Runs the proxy until it is told to stop. Must be called while the process has one thread.
    ///
    /// - Parameter arguments: without the program's own name.
    /// - Returns: the exit status: 0 after a clean stop, 1 for anything wrong, 2 for a wrong command line. With
    ///   `daemonize`, the calling process leaves inside and only the daemon returns.
    public static func run(arguments: [String], environment: [String: String]) -> Int32 {
        Daemon.occupyStandardDescriptors()
        let directory = currentDirectory
        let loader = ConfigurationLoader(
            program: program,
            version: BellhopVersion.text,
            options: options,
            usesDefaultFiles: false,
            environment: environment,
            summary: "Relays metadata requests of a network's or router's guests to the metadata agent.",
            workingDirectory: directory
        )
        do {
            switch try loader.load(arguments: arguments) {
            case .exit(let status, let output):
                print(output, terminator: output.hasSuffix("\n") ? "" : "\n")
                return status
            case .run(let configuration):
                let log = try OsloLog.bootstrap(
                    LogSettings(
                        configuration,
                        program: program,
                        workingDirectory: directory,
                        watchesFile: configuration.boolean("metadata_proxy_watch_log") ?? true
                    )
                )
                defer { log.flush() }
                return run(configuration, workingDirectory: directory, log: log) {
                    reload(loader, arguments, log)
                }
            }
        } catch let error as ConfigurationError {
            StandardError.write("\(error)")
            return error.exitStatus
        } catch {
            StandardError.write("\(program): error: \(error)")
            return 1
        }
    }

    private static func run(
        _ configuration: Configuration,
        workingDirectory: String,
        log: LogControl,
        reload: () -> Void
    ) -> Int32 {
        StartLines.write(program: program, version: BellhopVersion.text, configuration, main: ProxyLog.proxy)
        var start: ProxyStart?
        do throws(ProxyError) {
            let settings = try ProxySettings(configuration, workingDirectory: workingDirectory)
            let begun = try ProxyStart.begin(settings, startSecondsMax: bindRetrySeconds + startReserveSeconds)
            start = begun
            try begun.serve(log: log, bindRetrySeconds: bindRetrySeconds, reload: reload)
            begun.end()
            return 0
        } catch {
            start?.end()
            if error.code == .stopped {
                ProxyLog.proxy.info("\(error.message)")
                start?.report?.failed(status: 1, sentence: "\(program): \(error.message)")
                return 0
            }
            let logger = error.code == .idMissing || error.code == .badOption ? ProxyLog.proxy : ProxyLog.daemon
            logger.critical("\(error.message)")
            let sentence = "\(program): error: \(error.message)"
            if let report = start?.report {
                report.failed(status: 1, sentence: sentence)
            } else {
                StandardError.write(sentence)
            }
            return 1
        }
    }

    /// SIGHUP: the log file, and `debug`; everything else of this short-lived program is for its start.
    private static func reload(_ loader: ConfigurationLoader, _ arguments: [String], _ log: LogControl) {
        log.reopen()
        do throws(ConfigurationError) {
            guard case .run(let configuration) = try loader.load(arguments: arguments) else { return }
            log.setDebug(configuration.boolean("debug") ?? false)
        } catch {
            ProxyLog.config.error("The configuration was not reloaded", metadata: ["reason": "\(error)"])
        }
    }

    private static var currentDirectory: String {
        guard let path = getcwd(nil, 0) else { return "/" }
        defer { free(path) }
        return String(cString: path)
    }
}
