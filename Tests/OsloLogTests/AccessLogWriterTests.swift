import Glibc
import Logging
import Synchronization
import Testing

@testable import OsloLog

@Suite struct AccessLogWriterTests {
    let directory = ScratchDirectory()

    private func writer(
        _ change: (inout LogSettings) -> Void = { _ in },
        now: @escaping @Sendable () -> LogTime = { evening }
    ) throws -> AccessLogWriter {
        _ = zone
        var settings = LogSettings(program: "p")
        settings.filePath = directory.file("a.log")
        change(&settings)
        return AccessLogWriter(core: try LogCore(settings), now: now)
    }

    private func write(_ writer: AccessLogWriter, _ line: String) {
        let bytes = Array(line.utf8)
        writer.write(bytes.span)
    }

    private let head = "2026-11-22 21:33:19.007 \(getpid()) INFO eventlet.wsgi.server [-] "

    @Test func linesWaitForTheFlush() throws {
        let writer = try writer()
        write(writer, "one")
        write(writer, "two")
        #expect(directory.read("a.log") == "")
        writer.flush()
        #expect(directory.read("a.log") == "\(head)one\n\(head)two\n")
        writer.flush()
        #expect(directory.read("a.log") == "\(head)one\n\(head)two\n")
    }

    @Test func headFollowsTheClock() throws {
        let times = TimeBox(time: evening)
        let writer = try writer(now: { times.value })
        write(writer, "one")
        times.value = LogTime(seconds: evening.seconds, nanoseconds: 899_000_000)
        write(writer, "two")
        times.value = LogTime(seconds: evening.seconds + 1, nanoseconds: 0)
        write(writer, "three")
        writer.flush()
        let stamps = (directory.read("a.log") ?? "").split(separator: "\n").map { $0.prefix(23) }
        #expect(stamps == ["2026-11-22 21:33:19.007", "2026-11-22 21:33:19.899", "2026-11-22 21:33:20.000"])
    }

    @Test func fullBatchIsWrittenWithoutAFlush() throws {
        let writer = try writer()
        for _ in 0..<40 { write(writer, String(repeating: "x", count: 1_000)) }
        #expect(directory.size("a.log") > AccessLogWriter.bufferBytesMax)
        #expect(directory.size("a.log") < 40_000)
    }

    @Test func guestCannotForgeALine() throws {
        let writer = try writer()
        let bytes: [UInt8] = Array("a\n2026".utf8) + [0x1B, 0xFF, 0x80]
        writer.write(bytes.span)
        writer.flush()
        #expect(directory.read("a.log") == head + "a\\n2026\\x1b\\xff\\x80\n")
    }

    @Test func hugeLineIsCut() throws {
        let writer = try writer { $0.defaultFormat = "%(message)s" }
        write(writer, String(repeating: "x", count: 100_000))
        writer.flush()
        #expect(directory.size("a.log") == AccessLogWriter.lineBytesMax + 1)
    }

    @Test func thresholdOfItsLoggerCounts() throws {
        let writer = try writer { $0.levels = ["eventlet": .warning] }
        #expect(!writer.isEnabled)
        write(writer, "hidden")
        writer.flush()
        #expect(directory.read("a.log") == "")
    }

    @Test(arguments: [
        ("%(isotime)s %(message)s", "2026-11-22T21:33:19.007000+01:00 m"),
        ("%(message)-5s|%(message)s", "m    |m"),
        ("%(message)s %(levelname)s %(msecs)5d", "m INFO     7"),
        ("no message", "no message"),
    ])
    func everyFormatGivesTheSameAsAnOrdinaryLine(_ format: String, _ line: String) throws {
        let writer = try writer { $0.defaultFormat = format }
        write(writer, "m")
        writer.flush()
        #expect(directory.read("a.log") == line + "\n")
    }

    @Test func faultyFormatLosesNoMessage() throws {
        let writer = try writer { $0.defaultFormat = "%(nothing)s" }
        write(writer, "GET /")
        writer.flush()
        #expect(directory.read("a.log")?.hasSuffix("INFO eventlet.wsgi.server: GET /\n") == true)
    }

    @Test func jsonIsJSONHereToo() throws {
        let writer = try writer { $0.usesJSON = true }
        write(writer, "GET \"/\"")
        writer.flush()
        #expect(directory.read("a.log")?.contains(#""message": "GET \"/\"""#) == true)
    }
}

/// A time that the test sets.
private final class TimeBox: Sendable {
    private let time: Mutex<LogTime>
    init(time: LogTime) { self.time = Mutex(time) }
    var value: LogTime {
        get { time.withLock { $0 } }
        set { time.withLock { $0 = newValue } }
    }
}
