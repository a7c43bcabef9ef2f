import Glibc
import LinuxHost
import Testing

@testable import OsloLog

private let report: @Sendable (LogRecord) -> [UInt8] = { Array($0.message.utf8) }

@Suite struct DatagramSinkTests {
    let directory = ScratchDirectory()

    private func listen() -> CInt {
        let descriptor = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue), 0)
        _ = withUnixAddress(Array(directory.file("log").utf8)) { bind(descriptor, $0, $1) }
        return descriptor
    }

    private func receive(_ descriptor: CInt) -> String? {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &bytes, bytes.count, CInt(MSG_DONTWAIT))
        return count < 0 ? nil : text(Array(bytes[0..<count]))
    }

    private func sink() -> DatagramSink {
        DatagramSink(path: directory.file("log"), encode: { _, line in line }, formatReport: report)
    }

    @Test func restartedDaemonGetsTheNextLine() {
        let first = listen()
        let sink = sink()
        sink.write(record(), line: [0x61])
        #expect(receive(first) == "a")
        close(first)
        unlink(directory.file("log"))
        let second = listen()
        defer { close(second) }
        sink.reopen()
        sink.write(record(), line: [0x62])
        #expect(receive(second) == "b")
    }

    @Test func missingDaemonCostsLinesOnly() {
        let sink = sink()
        sink.write(record(), line: [0x61])
        let daemon = listen()
        defer { close(daemon) }
        sink.reopen()
        sink.write(record(), line: [0x62])
        #expect(receive(daemon)?.hasPrefix("1 log line was lost") == true)
        #expect(receive(daemon) == "b")
    }

    @Test func daemonThatDoesNotReadStopsNobody() {
        let daemon = listen()
        defer { close(daemon) }
        let sink = sink()
        for _ in 0..<10_000 { sink.write(record(), line: [0x61]) }
        while receive(daemon) != nil {}
        sink.write(record(), line: [0x62])
        #expect(receive(daemon)?.contains("lost: Resource temporarily unavailable") == true)
        #expect(receive(daemon) == "b")
    }

    @Test func syslogMessageIsLibcs() {
        let message = SyslogMessage(program: "neutron-metadata-agent", facility: 16)
        let third = record(level: .error, time: LogTime(seconds: evening.seconds - 19 * 86_400, nanoseconds: 0))
        #expect(text(message.encode(third, line: [0x61])) == "<131>Nov  3 21:33:19 neutron-metadata-agent: a")
    }

    @Test(
        arguments: [
            ("LOG_USER", 1), ("user", 1), ("LOG_DAEMON", 3), ("log_local0", 16), ("LOCAL7", 23), ("LOG_FTP", 11),
            ("LOCAL8", nil), ("LOCAL", nil), ("LOCAL-1", nil), ("", nil), ("LOG_", nil), ("nonsense", nil),
        ] as [(String, Int?)]
    )
    func facilityIsANameWithOrWithoutPrefix(_ text: String, _ facility: Int?) {
        #expect(SyslogMessage.facility(text) == facility)
    }

    @Test func journalGetsFields() {
        let message = JournalMessage(program: "p", facility: 1, mainThread: 1)
        let fields = text(message.encode(record(level: .warning), line: Array("the line".utf8))).split(separator: "\n")
        #expect(fields.first == "MESSAGE=the line")
        for field in [
            "PRIORITY=4", "SYSLOG_IDENTIFIER=p", "LOGGER_NAME=neutron.agent.metadata.agent", "LOGGER_LEVEL=WARNING",
            "CODE_LINE=12", "THREAD_NAME=MainThread", "SYSLOG_FACILITY=1",
        ] {
            #expect(fields.contains { $0 == field }, "\(field)")
        }
    }

    @Test func lineBreakCannotForgeAJournalField() {
        let message = JournalMessage(program: "p\nPRIORITY=0", facility: 1, mainThread: 1)
        let bytes = message.encode(record(), line: [0x61])
        let length: [UInt8] = [12, 0, 0, 0, 0, 0, 0, 0]
        let expected = Array("SYSLOG_IDENTIFIER\n".utf8) + length + Array("p\nPRIORITY=0\n".utf8)
        #expect(bytes.indices.contains { bytes[$0...].starts(with: expected) })
    }
}
