import ArgumentParser
import Foundation
import OsloLog
import Standalone

/// `bellhop serve`: a complete metadata service from an inventory file.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve instance metadata from an inventory file, without OpenStack."
    )

    @OptionGroup var inventory: InventoryOption

    @Option(help: "Also listen for guests at ADDRESS:PORT, as coming from NETWORK (a network or router by name or id).")
    var listen: [String] = []

    @Option(
        name: .customLong("nova-listen"),
        help: "Also serve as Nova's metadata API at ADDRESS:PORT, for real agents."
    )
    var novaListen: String?

    @Option(help: "The shared secret of --nova-listen. Visible in ps: prefer --secret-file.")
    var secret: String?

    @Option(name: .customLong("secret-file"), help: "A file whose first line is the shared secret.")
    var secretFile: String?

    @Option(
        name: .customLong("metadata-proxy-socket"),
        help: "Also listen on this UNIX socket, for neutron-ns-metadata-proxy or haproxy."
    )
    var metadataProxySocket: String?

    @Option(name: .customLong("password-file"), help: "Keep the passwords that guests post in this file.")
    var passwordFile: String?

    @Option(name: .customLong("hold-seconds"), help: "How long a request may wait for what is not there yet.")
    var holdSeconds = 8.5

    @Option(help: "Relay loops, each a thread.")
    var workers = 1

    @Flag(name: .shortAndLong, help: "Log at DEBUG.")
    var debug = false

    func validate() throws {
        guard (0...60).contains(holdSeconds) else { throw ValidationError("--hold-seconds must be 0 to 60.") }
        guard (1...64).contains(workers) else { throw ValidationError("--workers must be 1 to 64.") }
        if let novaListen, Self.address(novaListen) == nil {
            throw ValidationError("--nova-listen \(novaListen): expected ADDRESS:PORT, as in 127.0.0.1:8775.")
        }
        if novaListen != nil, secret == nil, secretFile == nil {
            throw ValidationError(
                "--nova-listen needs --secret-file or --secret: without one anybody could be any instance."
            )
        }
        if secret != nil, secretFile != nil { throw ValidationError("Give --secret or --secret-file, not both.") }
    }

    func run() async throws {
        var options = StandaloneOptions(inventoryPath: inventory.inventory)
        options.listen = listen
        options.novaAddress = novaListen.flatMap(Self.address)
        options.secret = try secret ?? secretFile.map(Self.firstLine)
        options.proxySocketPath = metadataProxySocket
        options.passwordFile = passwordFile
        options.holdSeconds = holdSeconds
        options.workers = workers
        var log = LogSettings(program: "bellhop")
        log.isDebug = debug
        log.usesStandardError = true
        do {
            let control = try OsloLog.bootstrap(log)
            defer { control.flush() }
            try await StandaloneService(options: options, log: control).run()
        } catch {
            throw CommandFailure("\(error)")
        }
    }

    private static func address(_ text: String) -> (host: String, port: Int)? {
        guard let (host, port) = StandaloneOptions.splitPort(text), let number = UInt16(port) else { return nil }
        return (host, Int(number))
    }

    private static func firstLine(of path: String) throws -> String {
        let text = try String(contentsOfFile: path, encoding: .utf8)
        return String(text.split(separator: "\n", omittingEmptySubsequences: false).first ?? "")
    }
}
