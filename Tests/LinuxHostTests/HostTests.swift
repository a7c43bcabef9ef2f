import Glibc
import Testing

@testable import LinuxHost

@Suite struct StartReportTests {
    @Test func silenceIsAFailureAndSaysWhereToLook() {
        #expect(StartReport.outcome([], secondsMax: 40).status == 1)
        #expect(StartReport.outcome(nil, secondsMax: 40).sentence.contains("40 seconds"))
    }

    @Test func statusAndSentenceArePassedOn() {
        #expect(StartReport.outcome([0], secondsMax: 40) == .init(status: 0, sentence: ""))
        #expect(StartReport.outcome([3] + Array("no".utf8), secondsMax: 40) == .init(status: 3, sentence: "no"))
    }

    private func report(_ body: (StartReport) -> Void) -> [UInt8]? {
        var ends: [CInt] = [-1, -1]
        pipe(&ends)
        defer { close(ends[0]) }
        body(StartReport(descriptor: ends[1]))
        return StartReport.receive(ends[0], secondsMax: 5)
    }

    @Test func onlyTheFirstWordCounts() {
        let message = report {
            $0.succeeded()
            $0.failed(status: 9, sentence: "too late")
        }
        #expect(message == [0])
    }

    @Test func longSentenceIsCutAndStatusZeroIsNoFailure() {
        let message = report { $0.failed(status: 0, sentence: String(repeating: "x", count: 100_000)) }
        #expect(message?.first == 1)
        #expect(message?.count == 1 + StartReport.sentenceBytesMax)
    }

    @Test func forgottenReportIsAFailure() {
        #expect(report { _ in }?.first == 1)
    }
}

@Suite struct SystemdNotifierTests {
    let directory = ScratchDirectory()

    /// What arrives at a datagram socket of this name.
    private func received(_ name: [UInt8], variable: String, _ body: (SystemdNotifier) -> Bool) throws -> String {
        let descriptor = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue), 0)
        defer { close(descriptor) }
        try #require(withUnixAddress(name) { bind(descriptor, $0, $1) } == 0)
        #expect(body(SystemdNotifier(environment: ["NOTIFY_SOCKET": variable])))
        var bytes = [UInt8](repeating: 0, count: 512)
        let count = recv(descriptor, &bytes, bytes.count, CInt(MSG_DONTWAIT))
        return String(decoding: bytes[0..<max(count, 0)], as: UTF8.self)
    }

    @Test func readinessGoesToThePath() throws {
        let path = directory.file("notify")
        #expect(try received(Array(path.utf8), variable: path) { $0.ready() } == "READY=1")
    }

    @Test func reloadCarriesTheTime() throws {
        let path = directory.file("notify")
        let message = try received(Array(path.utf8), variable: path) {
            $0.reloading(now: MonotonicTime(nanoseconds: 1_234_567_000))
        }
        #expect(message == "RELOADING=1\nMONOTONIC_USEC=1234567")
    }

    @Test func atSignMeansAnAbstractName() throws {
        let name = "bellhop-test-\(getpid())"
        #expect(try received([0] + Array(name.utf8), variable: "@" + name) { $0.stopping() } == "STOPPING=1")
    }

    @Test func statusIsOneLine() throws {
        let path = directory.file("notify")
        #expect(try received(Array(path.utf8), variable: path) { $0.status("a\nREADY=1") } == "STATUS=a READY=1")
    }

    @Test(arguments: [[:], ["NOTIFY_SOCKET": ""], ["NOTIFY_SOCKET": "@"], ["NOTIFY_SOCKET": "relative"]])
    func withoutSystemdNothingHappens(_ environment: [String: String]) {
        #expect(!SystemdNotifier(environment: environment).ready())
    }

    @Test func deafSocketIsNoError() {
        #expect(!SystemdNotifier(environment: ["NOTIFY_SOCKET": directory.file("nobody")]).ready())
    }
}

@Suite struct HostTests {
    @Test func signalArrivesOnTheDescriptor() throws {
        let source = try SignalSource([.hangUp, .terminate])
        defer {
            SignalSource.unblock([.hangUp, .terminate])
            close(source.descriptor)
        }
        #expect(source.next() == nil)
        // To this thread only: the other threads of the test runner do not block it.
        pthread_kill(pthread_self(), SIGHUP)
        #expect(source.wait() == .hangUp)
        #expect(source.wait(milliseconds: 0) == nil)
    }

    @Test func everySignalButHangUpEndsTheProgram() {
        #expect(HostSignal.allCases.filter(\.endsProgram) == [.terminate, .interrupt, .finish])
        #expect(HostSignal(number: SIGUSR1) == .finish)
        #expect(HostSignal(number: SIGUSR2) == nil)
        #expect(!HostSignal.usual.contains(.finish))
    }

    @Test func waitsAreRoundedUp() {
        let start = MonotonicTime(nanoseconds: 0)
        #expect(start.millisecondsUntil(MonotonicTime(nanoseconds: 1)) == 1)
        #expect(start.millisecondsUntil(MonotonicTime(nanoseconds: 2_000_000)) == 2)
        #expect(MonotonicTime(nanoseconds: 5).millisecondsUntil(start) == 0)
        #expect(start.advanced(bySeconds: .max).nanoseconds == .max)
        #expect(start.millisecondsUntil(start.advanced(bySeconds: .max)) == .max)
    }

    @Test func accountsAreNamesOrNumbers() throws {
        #expect(try Account.userID("root") == 0)
        #expect(try Account.userID("4242") == 4242)
        #expect(try Account.groupID("root") == 0)
        #expect(Account.userName(0) == "root")
        #expect(Account.groupName(0) == "root")
    }

    @Test(arguments: ["no-such-user-here", "-1", "4294967295", "99999999999", " 1", "1 "])
    func unknownAccountIsNamed(_ text: String) {
        let error = #expect(throws: HostError.self) { try Account.userID(text) }
        #expect(error?.code == .unknownAccount)
        #expect(error?.message.contains(text) == true)
    }

    @Test func nothingIsDroppedUnlessAskedFor() throws {
        let before = geteuid()
        try Privileges.drop(user: nil, group: nil)
        try Privileges.drop(user: "", group: "")
        #expect(geteuid() == before)
    }

    @Test func unknownUserIsFoundBeforeAnythingIsGivenUp() {
        let before = getegid()
        let error = #expect(throws: HostError.self) {
            try Privileges.drop(user: "no-such-user-here", group: "1")
        }
        #expect(error?.code == (geteuid() == 0 ? .unknownAccount : .notRoot))
        #expect(getegid() == before)
    }

    @Test func fileLimitIsTheHardOne() throws {
        let limit = try #require(FileLimits.raise())
        var limits = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limits)
        #expect(limit == limits.rlim_max)
    }

    @Test func hostHasAName() {
        #expect(!HostName.current.isEmpty)
    }
}
