import Logging
import Testing

@testable import OsloLog

/// The expected lines without metadata were printed by oslo.log 8.3.
@Suite struct LogFormatterTests {
    @Test func lineIsOsloLogs() {
        #expect(
            text(formatter().line(record()))
                == "2026-11-22 21:33:19.007 4242 INFO neutron.agent.metadata.agent [-] text"
        )
    }

    @Test func debugLineSaysWhereItComesFrom() {
        #expect(
            text(formatter().line(record(level: .debug)))
                == "2026-11-22 21:33:19.007 4242 DEBUG neutron.agent.metadata.agent [-] text run a/b.py:12"
        )
    }

    @Test func instanceStandsInFrontOfTheMessage() {
        var record = record()
        record.setMetadata(["instance": "u-1"])
        #expect(
            text(formatter().line(record))
                == "2026-11-22 21:33:19.007 4242 INFO neutron.agent.metadata.agent [-] [instance: u-1] text"
        )
    }

    @Test func requestUsesTheContextFormat() {
        var record = record()
        record.setMetadata([
            "request_id": "req-2", "global_request_id": "req-22222222", "user": "u", "project": "p", "a": "b",
        ])
        #expect(
            text(formatter().line(record))
                == "2026-11-22 21:33:19.007 4242 INFO neutron.agent.metadata.agent"
                + " [req-22222222 req-2 u p - - - -] text a=b"
        )
    }

    @Test func withoutARequestUserIsOrdinaryMetadata() {
        var record = record()
        record.setMetadata(["user": "u"])
        #expect(text(formatter().line(record)).hasSuffix("[-] text user=u"))
    }

    @Test(arguments: [
        (
            "%(msecs)03d|%(process)8d|%(levelname)-8s|%(name).3s|%%|%(lineno)s|%(created).3f|%(created)f",
            "007|    4242|INFO    |neu|%|12|1795379599.007|1795379599.007000"
        ),
        ("%(levelno)05d|%(levelname)5s|%(isotime)s", "00020| INFO|2026-11-22T21:33:19.007000+01:00"),
        ("%(threadName)s %(processName)s %(filename)s %(module)s", "MainThread MainProcess b.py b"),
        ("%(project)s %(version)s%(color)s%(resource)s", "neutron unknown"),
        ("%(request_id)s%(user_name)s|", "|"),
        ("%(error_summary)s", "-"),
        ("plain", "plain"),
        ("", ""),
    ])
    func formatStringsAreReadAsPythonReadsThem(_ format: String, _ line: String) {
        #expect(text(formatter { $0.defaultFormat = format }.line(record())) == line)
    }

    @Test(arguments: [
        ("%(nothing)s", "unknown key"), ("%(name)d", "a number is required"), ("%s", "invalid conversion"),
        ("%(name", "invalid conversion"), ("100%", "invalid conversion"), ("%(name)", "invalid conversion"),
        ("%(name)q", "invalid conversion"), ("%(name)99999999999999999999s", "invalid conversion"),
        ("%()s", "unknown key"), ("%(levelname)5.f", "a number is required"),
    ])
    func mistakeInAFormatIsShownInTheLineWithItsMessage(_ format: String, _ fault: String) {
        let line = text(formatter { $0.defaultFormat = format }.line(record("what counts")))
        #expect(line.hasPrefix("formatting error: "))
        #expect(line.contains(fault))
        #expect(line.hasSuffix("INFO neutron.agent.metadata.agent: what counts"))
    }

    @Test func mistakeInTheDebugSuffixIsShownToo() {
        let line = text(formatter { $0.debugFormatSuffix = "%(nothing)s" }.line(record(level: .debug)))
        #expect(line.hasPrefix("formatting error: "))
    }

    @Test func emptyDebugSuffixAddsNothing() {
        let line = text(formatter { $0.debugFormatSuffix = "" }.line(record(level: .debug)))
        #expect(line.hasSuffix("[-] text"))
    }

    @Test func errorFollowsTheMessageFromWarningOn() {
        var failed = record(level: .warning)
        failed.error = "HostError: no"
        #expect(text(formatter().line(failed)).hasSuffix("[-] text: HostError: no"))
        failed.level = .info
        #expect(text(formatter().line(failed)).hasSuffix("[-] text"))
    }

    @Test func metadataIsSortedAndQuotedWhereABlankCouldMislead() {
        var record = record()
        record.setMetadata(["b": "two words", "a": "1", "c": "say \"hi\"", "d": "", "e": ["x", "y"]])
        #expect(
            text(formatter().line(record)).hasSuffix(
                #"text a=1 b="two words" c="say \"hi\"" d="" e="[\"x\", \"y\"]""#
            )
        )
    }

    // CWE-117: what a guest sends must not be able to end the line or speak to the terminal.
    @Test(arguments: [
        ("a\nb", "a\\nb"), ("a\r\nb", "a\\r\\nb"), ("\u{1B}[2J", "\\x1b[2J"), ("a\u{0}b", "a\\x00b"),
        ("\u{7F}\u{9B}", "\\x7f\\x9b"), ("a\u{2028}b\u{202E}c", "a\\u2028b\\u202ec"), ("t\tt", "t\\tt"),
        ("café 100%", "café 100%"), ("😀", "😀"), ("%(name)s", "%(name)s"),
    ])
    func controlCharactersAreShownAndNotSent(_ given: String, _ shown: String) {
        var record = record(given, name: "n" + given)
        record.setMetadata(["key" + given: "\(given)", "instance": "\(given)"])
        let line = text(formatter().line(record))
        #expect(line.contains("[instance: \(shown)] \(shown) key\(shown)="))
        #expect(line.unicodeScalars.allSatisfy { $0.value >= 0x20 })
    }

    @Test func colourIsForTerminalsOnly() {
        let colored = formatter { $0.defaultFormat = "%(color)s%(message)s" }
        #expect(text(colored.line(record(level: .error))) == "text")
        #expect(text(colored.line(record(level: .error), isColored: true)) == "\u{1B}[01;31mtext\u{1B}[00m")
    }

    @Test(arguments: [
        (Logger.Level.trace, "DEBUG"), (.debug, "DEBUG"), (.info, "INFO"), (.notice, "INFO"), (.warning, "WARNING"),
        (.error, "ERROR"), (.critical, "CRITICAL"),
    ])
    func sevenLevelsBecomeFive(_ level: Logger.Level, _ name: String) {
        #expect(LogLevel(level).name == name)
    }

    @Test func timeFollowsTheLocalZone() {
        _ = zone
        let summer = LogTime(seconds: 1_782_000_000, nanoseconds: 999_999_999)
        #expect(summer.formatted("%Y-%m-%d %H:%M:%S") == "2026-06-21 02:00:00")
        #expect(summer.iso == "2026-06-21T02:00:00.999999+02:00")
        #expect(summer.milliseconds == 999)
        #expect(summer.weekday == 6)
    }
}

@Suite struct JSONFormatterTests {
    private func line(_ record: LogRecord) -> String {
        let started = LogTime(seconds: evening.seconds, nanoseconds: 2_000_000)
        let settings = LogSettings(program: "p")
        return text(JSONFormatter(settings, mainThread: 1, started: started, hostName: "host").line(record))
    }

    @Test func membersAreOsloLogs() {
        #expect(
            line(record("café \"x\""))
                == #"{"message": "caf\u00e9 \"x\"", "asctime": "2026-11-22 21:33:19","#
                + #" "name": "neutron.agent.metadata.agent", "msg": "caf\u00e9 \"x\"", "args": [],"#
                + #" "levelname": "INFO", "levelno": 20, "pathname": "a/b.py", "filename": "b.py", "module": "b","#
                + #" "lineno": 12, "funcname": "run", "created": 1795379599.007000, "msecs": 7.0,"#
                + #" "relative_created": 5.000, "thread": 1, "thread_name": "MainThread","#
                + #" "process_name": "MainProcess", "process": 4242, "traceback": null, "hostname": "host","#
                + #" "error_summary": "", "context": {}, "extra": {}}"#
        )
    }

    @Test func metadataIsExtraAndRequestIsContext() {
        var record = record()
        record.setMetadata(["a": "b", "request_id": "req-1"])
        #expect(line(record).hasSuffix(#""context": {"request_id": "req-1"}, "extra": {"a": "b"}}"#))
    }

    @Test func anythingStaysOneLineOfASCII() {
        let line = line(record("\n\u{0}\u{2028}\\😀"))
        #expect(line.contains(#""message": "\n\u0000\u2028\\\ud83d\ude00""#))
        #expect(line.utf8.allSatisfy { (0x20...0x7E).contains($0) })
    }
}

@Suite struct LogThresholdsTests {
    private let rules: [String: Logger.Level] = ["a": .warning, "a.b": .debug, "a.b.c.d": .error]

    @Test(
        arguments: [
            ("x", .info), ("a", .warning), ("a.x", .warning), ("ab", .info), ("a.b", .debug), ("a.b.c", .debug),
            ("a.b.c.d.e", .error), ("", .info), (".", .info),
        ] as [(String, Logger.Level)]
    )
    func longestNameRules(_ label: String, _ level: Logger.Level) {
        #expect(LogThresholds.level(of: label, rules: rules, root: .info) == level)
    }

    @Test func changedRootReachesLoggersThatExist() {
        let thresholds = LogThresholds(root: .info, rules: rules)
        let (free, ruled) = (thresholds.gate(for: "x"), thresholds.gate(for: "a.x"))
        thresholds.setRoot(.debug)
        #expect(free.level == .debug)
        #expect(ruled.level == .warning)
        thresholds.setRoot(.critical)
        #expect(free.level == .critical)
        #expect(thresholds.gate(for: "y").level == .critical)
    }

    @Test(arguments: Logger.Level.allCases)
    func gateKeepsEveryLevel(_ level: Logger.Level) {
        #expect(LogGate(level).level == level)
    }

    @Test(
        arguments: [
            ("DEBUG", .debug), ("WARN", .warning), ("WARNING", .warning), ("FATAL", .critical), ("AUDIT", .notice),
            ("TRACE", .trace), ("NOTSET", .trace), ("10", .debug), ("25", .notice), ("40", .error), ("99", .critical),
            ("debug", nil), ("", nil), ("LOUD", nil),
        ] as [(String, Logger.Level?)]
    )
    func levelsAreNamesOrNumbers(_ text: String, _ level: Logger.Level?) {
        #expect(LogLevel.threshold(text) == level)
    }
}
