import Glibc
import LinuxHost
import Testing

@testable import OsloLog

private let report: @Sendable (LogRecord) -> [UInt8] = { Array($0.message.utf8) }

@Suite struct FileSinkTests {
    let directory = ScratchDirectory()
    let time = ManualTime()

    private func sink(
        watches: Bool = true,
        rotation: LogRotation = .none,
        mode: mode_t = 0o644
    ) throws(LogError) -> FileSink {
        try FileSink(
            path: directory.file("a.log"),
            watches: watches,
            rotation: rotation,
            mode: mode,
            clock: time.clock,
            formatReport: report
        )
    }

    private func write(_ sink: FileSink, _ line: String) {
        sink.write(record(), line: Array(line.utf8))
    }

    @Test func linesAreAppended() throws {
        directory.write("old\n", to: "a.log")
        let sink = try sink()
        write(sink, "new")
        #expect(directory.read("a.log") == "old\nnew\n")
    }

    @Test func unusablePathSaysWhatToDo() {
        let error = #expect(throws: LogError.self) {
            try FileSink(
                path: directory.file("no/a.log"),
                watches: true,
                rotation: .none,
                mode: 0o644,
                formatReport: report
            )
        }
        #expect(error?.code == .fileUnusable)
        #expect(error?.message.contains("Create its directory") == true)
    }

    @Test func movedFileIsNoticedAfterASecond() throws {
        let sink = try sink()
        write(sink, "one")
        rename(directory.file("a.log"), directory.file("a.log.1"))
        write(sink, "two")
        #expect(directory.read("a.log") == nil)
        time.advance(seconds: 1)
        write(sink, "three")
        #expect(directory.read("a.log.1") == "one\ntwo\n")
        #expect(directory.read("a.log") == "three\n")
    }

    @Test func reopenDoesNotWait() throws {
        let sink = try sink(watches: false)
        rename(directory.file("a.log"), directory.file("a.log.1"))
        sink.reopen()
        write(sink, "new")
        #expect(directory.read("a.log") == "new\n")
    }

    @Test func unwatchedFileStaysOpen() throws {
        let sink = try sink(watches: false)
        rename(directory.file("a.log"), directory.file("a.log.1"))
        time.advance(seconds: 100)
        write(sink, "old")
        #expect(directory.read("a.log.1") == "old\n")
    }

    @Test func fileThatCannotBeOpenedAgainIsKept() throws {
        let sink = try sink()
        rename(directory.file("a.log"), directory.file("a.log.1"))
        mkdir(directory.file("a.log"), 0o755)
        time.advance(seconds: 1)
        write(sink, "still")
        #expect(directory.read("a.log.1") == "still\n")
    }

    @Test func modeDoesNotDependOnALaterUmask() throws {
        let sink = try sink(mode: 0o640)
        write(sink, "x")
        #expect(directory.mode("a.log") == 0o640)
    }

    @Test func filesAreRotatedBySize() throws {
        let sink = try sink(rotation: .size(bytesMax: 10, filesMax: 2))
        for line in ["aaaaa", "bbbbb", "ccccc", "ddddd"] { write(sink, line) }
        #expect(directory.read("a.log") == "ddddd\n")
        #expect(directory.read("a.log.1") == "ccccc\n")
        #expect(directory.read("a.log.2") == "bbbbb\n")
        #expect(directory.read("a.log.3") == nil)
    }

    @Test func lineLongerThanTheLimitIsStillOneFile() throws {
        let sink = try sink(rotation: .size(bytesMax: 3, filesMax: 9))
        write(sink, "aaaaaaaa")
        #expect(directory.read("a.log") == "aaaaaaaa\n")
        #expect(directory.read("a.log.1") == nil)
    }

    // A full disk: the device that refuses every byte.
    @Test func fullDiskLosesLinesAndNothingElse() throws {
        let sink = try FileSink(path: "/dev/full", watches: false, rotation: .none, mode: 0o644, formatReport: report)
        for _ in 0..<3 { sink.write(record(), line: [0x61]) }
    }

    @Test func lostLinesAreReportedWhenWritingWorksAgain() throws {
        // A limit on the file's size, for this process, would hit other tests; a symbolic link that moves does not.
        symlink("/dev/full", directory.file("a.log"))
        let sink = try sink()
        write(sink, "lost")
        sink.write(lines: Array("lost\nlost\n".utf8), count: 2)
        unlink(directory.file("a.log"))
        time.advance(seconds: 1)
        write(sink, "found")
        #expect(directory.read("a.log") == "3 log lines were lost: No space left on device\nfound\n")
    }
}

@Suite struct StreamSinkTests {
    /// A pipe, both ends closed afterwards.
    private func withPipe(_ body: (_ reading: CInt, _ writing: CInt) throws -> Void) rethrows {
        var ends: [CInt] = [-1, -1]
        pipe(&ends)
        defer { ends.forEach { close($0) } }
        try body(ends[0], ends[1])
    }

    private func read(_ descriptor: CInt, _ bytesMax: Int = 1 << 17) -> String {
        var bytes = [UInt8](repeating: 0, count: bytesMax)
        let count = Glibc.read(descriptor, &bytes, bytesMax)
        return text(Array(bytes[0..<max(count, 0)]))
    }

    @Test func linesArrive() {
        withPipe { reading, writing in
            StreamSink(descriptor: writing, formatReport: report).write(record(), line: [0x61])
            #expect(read(reading) == "a\n")
        }
    }

    @Test func readerThatSleepsLosesLinesAndIsToldLater() {
        withPipe { reading, writing in
            let sink = StreamSink(descriptor: writing, patienceMilliseconds: 0, formatReport: report)
            let line = [UInt8](repeating: 0x61, count: 4_095)
            // A pipe holds 65,536 bytes.
            for _ in 0..<20 { sink.write(record(), line: line) }
            _ = read(reading)
            sink.write(record(), line: [0x62])
            #expect(read(reading) == "4 log lines were lost: Resource temporarily unavailable\nb\n")
        }
    }

    @Test func closedPipeIsHarmless() {
        SignalSource.ignoreBrokenPipes()
        var ends: [CInt] = [-1, -1]
        pipe(&ends)
        close(ends[0])
        let sink = StreamSink(descriptor: ends[1], formatReport: report)
        sink.write(record(), line: [0x61])
        sink.write(record(), line: [0x61])
        close(ends[1])
    }
}
