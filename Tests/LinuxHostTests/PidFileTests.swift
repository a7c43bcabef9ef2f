import Glibc
import Testing

@testable import LinuxHost

@Suite struct PidFileTests {
    let directory = ScratchDirectory()
    let network = "5a6b7c8d-0000-4000-8000-00000000abcd"
    let names = ["neutron-ns-metadata-proxy", "python"]

    // Neutron Ocata, LP 1661303: a pid written the wrong way killed the daemon after the fork.
    @Test func pidIsWrittenDecimalWithoutNewline() throws {
        let file = try PidFile(path: directory.file("a.pid"))
        try file.write(pid: 4242)
        #expect(directory.read("a.pid") == "4242")
    }

    @Test func longerOldContentIsReplacedWhole() throws {
        directory.write("123456789\n99\n", to: "a.pid")
        let file = try PidFile(path: directory.file("a.pid"))
        try file.write(pid: 7)
        #expect(directory.read("a.pid") == "7")
    }

    @Test func openingKeepsTheOldContentUntilItIsJudged() throws {
        directory.write("4242", to: "a.pid")
        let file = try PidFile(path: directory.file("a.pid"))
        #expect(file.recordedPid == 4242)
    }

    // Neutron Juno, LP 1315507: a second start waited for ever.
    @Test func secondHolderIsRefusedAtOnce() throws {
        let first = try PidFile(path: directory.file("a.pid"))
        let error = #expect(throws: HostError.self) { try PidFile(path: directory.file("a.pid")) }
        #expect(error?.code == .pidFileLocked)
        #expect(error?.message.contains("already exist. Daemon already running?") == true)
        withExtendedLifetime(first) {}
    }

    @Test func lockIsFreeAgainAfterTheHolderIsGone() throws {
        do { _ = try PidFile(path: directory.file("a.pid")) }
        #expect(throws: Never.self) { try PidFile(path: directory.file("a.pid")) }
    }

    @Test func missingDirectoryIsNamed() {
        let error = #expect(throws: HostError.self) { try PidFile(path: directory.file("no/a.pid")) }
        #expect(error?.code == .pidFileUnusable)
        #expect(error?.message.contains("no/a.pid") == true)
    }

    @Test func ownFileIsRemoved() throws {
        let file = try PidFile(path: directory.file("a.pid"))
        try file.write()
        #expect(file.removeIfOurs())
        #expect(directory.read("a.pid") == nil)
    }

    @Test func fileWithAnotherPidStays() throws {
        let file = try PidFile(path: directory.file("a.pid"))
        try file.write()
        directory.write("1", to: "a.pid")
        #expect(!file.removeIfOurs())
        #expect(directory.read("a.pid") == "1")
    }

    @Test func successorsFileStaysEvenIfThePidIsTheSame() throws {
        let file = try PidFile(path: directory.file("a.pid"))
        try file.write()
        unlink(directory.file("a.pid"))
        directory.write(String(getpid()), to: "a.pid")
        #expect(!file.removeIfOurs())
        #expect(directory.read("a.pid") == String(getpid()))
    }

    @Test(
        arguments: [
            ("42", 42), (" 42\n", 42), ("\t7 \r\n", 7), ("", nil), ("\n", nil), ("0", nil), ("-5", nil), ("12 13", nil),
            ("abc", nil), ("4x", nil), ("99999999999999999999", nil), ("\u{0}1", nil),
        ] as [(String, pid_t?)]
    )
    func contentIsOnePositiveNumber(_ content: String, _ pid: pid_t?) {
        #expect(PidFile.pid(in: Array(content.utf8)) == pid)
    }

    @Test func onlyTheBeginningOfAHugeFileIsRead() throws {
        directory.write(String(repeating: "1", count: 4_000), to: "a.pid")
        #expect(try PidFile(path: directory.file("a.pid")).recordedPid == nil)
    }

    // Neutron Havana, LP 1177416: the pid had gone to the proxy of another network.
    @Test func livingDaemonCountsForItsOwnNetworkOnly() throws {
        let process = try SleepingProcess(arguments: ["python /usr/bin/neutron-ns", "--network_id=\(network)"])
        let file = try PidFile(path: directory.file("a.pid"))
        try file.write(pid: process.pid)
        #expect(file.runningDaemon(names: names, identity: network) == process.pid)
        #expect(file.runningDaemon(names: ["haproxy"], identity: network) == nil)
        #expect(file.runningDaemon(names: names, identity: "00000000-0000-4000-8000-000000000000") == nil)
        #expect(file.runningDaemon(names: names, identity: "") == nil)
    }

    // Neutron Pike, LP 1672921.
    @Test func zombieIsNotRunning() throws {
        let process = try SleepingProcess(arguments: ["python", "--network_id=\(network)"])
        let file = try PidFile(path: directory.file("a.pid"))
        try file.write(pid: process.pid)
        process.becomeZombie()
        #expect(ProcessIdentity(pid: process.pid)?.isZombie == true)
        #expect(file.runningDaemon(names: names, identity: network) == nil)
    }

    @Test func ownPidNeverBlocksTheStart() throws {
        let file = try PidFile(path: directory.file("a.pid"))
        try file.write()
        let ownName = CommandLine.arguments[0]
        #expect(file.runningDaemon(names: [ownName], identity: ownName) == nil)
    }

    @Test(arguments: [
        ("12 (cat) S 1 2", false), ("12 (cat) Z 1 2", true), ("12 (cat) X 0", true),
        ("12 (a) Z) S 1", false), ("12 (Z) R 1", false), ("12 (a", false), ("", false), ("12 (a)", false),
    ])
    func stateIsReadBehindTheLastParenthesis(_ status: String, _ isZombie: Bool) {
        #expect(ProcessIdentity.isZombie(status: Array(status.utf8)) == isZombie)
    }

    @Test func onlyTheFirstLineOfTheCommandLineCounts() throws {
        let process = try SleepingProcess(arguments: ["python\n--network_id=\(network)"])
        let identity = try #require(ProcessIdentity(pid: process.pid))
        #expect(!identity.isDaemon(named: names, identity: network))
    }
}

/// A child that does nothing for a minute, under a command line of the test's choice.
final class SleepingProcess {
    struct NotStarted: Error {}
    let pid: pid_t

    init(arguments: [String]) throws {
        // All in the first word, which sleep(1) takes for its own name.
        let words = [arguments.joined(separator: " "), "60"]
        var pointers: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { pointers.forEach { free($0) } }
        var pid: pid_t = 0
        guard posix_spawn(&pid, "/bin/sleep", nil, nil, &pointers, nil) == 0 else { throw NotStarted() }
        self.pid = pid
        // The command line is the parent's until the exec has happened.
        let firstLine = Array(words[0].utf8.prefix { $0 != UInt8(ascii: "\n") })
        while ProcessIdentity(pid: pid)?.commandLine.starts(with: firstLine) != true {
            sched_yield()
        }
    }

    func becomeZombie() {
        kill(pid, SIGKILL)
        var info = siginfo_t()
        waitid(P_PID, id_t(pid), &info, WEXITED | WNOWAIT)
    }

    deinit {
        kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
    }
}
