import ArgumentParser
import BootStorm
import Glibc
import LinuxHost
import RelayLoop
import Synchronization

/// `bellhop storm`: simulated guests boot against a metadata service.
struct StormCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "storm",
        abstract: "Let simulated guests boot against a metadata service, and say how they fared.",
        discussion: """
            Each guest asks what cloud-init's OpenStack data source asks, in its order, each time on a new connection, \
            and gives up when cloud-init would. The exit status is 0 if every boot was complete, 2 if any was not, and \
            1 if the storm could not be run.
            """
    )

    enum ReportForm: String, ExpressibleByArgument, CaseIterable {
        case text
        case json
    }

    @Option(help: "How many guests, up to \(StormPlan.guestsMax).")
    var guests = 1

    @Option(help: "Where guests ask, ADDRESS:PORT; repeated, guests go round. In a --namespace 169.254.169.254:80.")
    var at: [String] = []

    @Option(help: "Where guests speak from: CIDR, FROM-TO or an address. Once for all targets, or once for each.")
    var source: [String] = []

    @Option(help: "Ask from inside this network namespace; repeated, once for each --at. Needs root.")
    var namespace: [String] = []

    @Option(help: "Spread the beginnings over this many seconds, instead of all at once.")
    var arrival = 0.0

    @Option(help: "Whose patience the guests have: \(GuestProfile.all.map(\.name).joined(separator: " or ")).")
    var profile = GuestProfile.release22.name

    @Option(help: "Do not boot: ask for meta_data.json every so many seconds.")
    var poll: Double?

    @Option(help: "Stop after this many seconds (900; with --poll 30).")
    var seconds: Double?

    @Option(help: "This percentage of the guests asks as fast as it can.")
    var abusive = 0.0

    @Option(help: "Clients beside the guests that send slow, endless or broken requests, or none.")
    var hostile = 0

    @Flag(name: .customLong("expect-user-data"), help: "Every instance has user data: count a 404 for it as a loss.")
    var expectUserData = false

    @Option(help: "The form of the report on standard output: text or json.")
    var report = ReportForm.text

    @Option(help: "Write a line of JSON about each boot to this file.")
    var details: String?

    @Flag(name: .shortAndLong, help: "Show no progress on standard error.")
    var quiet = false

    func validate() throws {
        guard GuestProfile.all.contains(where: { $0.name == profile }) else {
            throw ValidationError(
                "--profile \(profile): it must be \(GuestProfile.all.map(\.name).joined(separator: " or "))."
            )
        }
        guard arrival >= 0, arrival <= StormPlan.secondsMax else {
            throw ValidationError("--arrival must be 0 to \(Int(StormPlan.secondsMax)).")
        }
        if let poll {
            guard poll > 0, poll <= StormPlan.secondsMax else {
                throw ValidationError("--poll must be more than 0 and at most \(Int(StormPlan.secondsMax)).")
            }
            guard arrival == 0, details == nil, !expectUserData else {
                throw ValidationError("--arrival, --details and --expect-user-data are for boots, not for --poll.")
            }
        }
        _ = try plan()
    }

    private func plan() throws -> StormPlan {
        do throws(StormError) {
            var plan = StormPlan(targets: try StormPlan.targets(at: at, namespaces: namespace, sources: source))
            plan.guests = guests
            plan.profile = GuestProfile.all.first { $0.name == profile } ?? .release22
            plan.activity = poll.map { .poll(every: .seconds($0)) } ?? .boot(arrival: .seconds(arrival))
            plan.secondsMax = seconds ?? (poll == nil ? 900 : 30)
            plan.abusivePercent = abusive
            plan.hostile = hostile
            plan.expectsUserData = expectUserData
            plan.sharesSources = source.count == 1
            return plan
        } catch {
            throw ValidationError("\(error)")
        }
    }

    func run() async throws {
        let plan = try plan()
        let progress = ProgressLine(isShown: !quiet)
        let file = try details.map(DetailsFile.init)
        let signals = try? SignalSource.process.get()
        var listener = Storm.Listener(progressEvery: progress.interval) { progress.show($0.progress()) }
        if let file { listener.boot = { detail in file.write(detail.line()) } }
        let result: StormReport
        do {
            result = try await Storm.run(plan, signals: signals, listener: listener)
        } catch {
            progress.clear()
            throw CommandFailure("\(error)")
        }
        progress.clear()
        if let failure = file?.close() { throw CommandFailure(failure) }
        print(report == .json ? result.json() : result.text())
        if !result.isWell { throw ExitCode(2) }
    }
}

/// What is going on, on standard error: one line that is written over on a terminal, a line now and then elsewhere.
private struct ProgressLine: Sendable {
    let isShown: Bool
    let isTerminal = isatty(STDERR_FILENO) == 1

    var interval: LoopSpan { isTerminal ? .milliseconds(250) : .seconds(5) }

    func show(_ line: String) {
        guard isShown else { return }
        write(isTerminal ? "\r\u{1B}[K" + line : line + "\n")
    }

    func clear() {
        if isShown, isTerminal { write("\r\u{1B}[K") }
    }

    private func write(_ text: String) {
        let bytes = Array(text.utf8)
        _ = Glibc.write(STDERR_FILENO, bytes, bytes.count)
    }
}

/// A line per boot, written by the storm's thread.
private final class DetailsFile: Sendable {
    private let path: String
    private let descriptor: CInt
    private let failed = Mutex<CInt?>(nil)

    init(_ path: String) throws {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw CommandFailure("\(path) cannot be written: \(systemReason(errno)).") }
    }

    func write(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        if Glibc.write(descriptor, bytes, bytes.count) != bytes.count { failed.withLock { $0 = errno } }
    }

    /// What went wrong with the file, if anything.
    func close() -> String? {
        if Glibc.close(descriptor) != 0 { failed.withLock { $0 = errno } }
        return failed.withLock { $0 }.map { "\(path) cannot be written: \(systemReason($0))." }
    }
}
