import LinuxHost
import Logging
import Testing

@testable import OsloLog

@Suite struct LogControlTests {
    let directory = ScratchDirectory()

    private func settings(_ change: (inout LogSettings) -> Void = { _ in }) -> LogSettings {
        _ = zone
        var settings = LogSettings(program: "p")
        settings.filePath = directory.file("a.log")
        settings.defaultFormat = "%(levelname)s %(name)s %(message)s"
        settings.debugFormatSuffix = ""
        change(&settings)
        return settings
    }

    @Test func loggerWritesItsLabelAndMetadata() throws {
        var logger = try LogControl(settings()).logger(label: "neutron.agent.linux.daemon")
        logger[metadataKey: "b"] = "2"
        logger.notice("hello", metadata: ["a": "1"])
        logger.debug("hidden")
        #expect(directory.read("a.log") == "INFO neutron.agent.linux.daemon hello a=1 b=2\n")
    }

    @Test func levelOfOneLoggerIsItsOwn() throws {
        let control = try LogControl(settings())
        var one = control.logger(label: "x")
        let other = control.logger(label: "x")
        one.logLevel = .error
        #expect(other.logLevel == .info)
        one.info("hidden")
        other.info("shown")
        #expect(directory.read("a.log") == "INFO x shown\n")
    }

    @Test func reloadTurnsDebugOnAndOff() throws {
        let control = try LogControl(settings { $0.levels = ["amqp": .warning] })
        let (logger, amqp) = (control.logger(label: "x"), control.logger(label: "amqp"))
        control.setDebug(true)
        logger.debug("one")
        amqp.debug("hidden")
        control.setDebug(false)
        logger.debug("hidden")
        #expect(directory.read("a.log") == "DEBUG x one\n")
    }

    @Test func threadsDoNotMixTheirLines() async throws {
        let control = try LogControl(settings { $0.defaultFormat = "%(message)s" })
        await withTaskGroup(of: Void.self) { group in
            for letter in ["a", "b", "c", "d"] {
                group.addTask {
                    let logger = control.logger(label: letter)
                    for _ in 0..<20 { logger.info("\(String(repeating: letter, count: 40))") }
                }
            }
        }
        let lines = (directory.read("a.log") ?? "").split(separator: "\n")
        #expect(lines.count == 80)
        #expect(lines.allSatisfy { $0.count == 40 && Set($0).count == 1 })
    }

    @Test func rateLimitSaysThatItLimits() throws {
        let control = try LogControl(
            settings { $0.rateLimit = LogRateLimit(intervalSeconds: 3_600, burst: 2, exceptLevel: "CRITICAL") }
        )
        let logger = control.logger(label: "x")
        for number in 1...5 { logger.info("\(number)") }
        logger.critical("always")
        #expect(
            directory.read("a.log")
                == "INFO x 1\nINFO x 2\n"
                + "INFO oslo_log.rate_limit Logging rate limit: drop after 2 records/3600 sec\nCRITICAL x always\n"
        )
    }

    @Test func rateLimitBeginsAnewWithTheNextInterval() {
        var limit = LogRateLimit(intervalSeconds: 10, burst: 1, exceptLevel: "")
        let start = MonotonicTime(nanoseconds: 0)
        #expect(limit?.decide(.critical, now: start) == .pass)
        #expect(limit?.decide(.critical, now: start) == .announce)
        #expect(limit?.decide(.critical, now: start) == .drop)
        #expect(limit?.decide(.critical, now: start.advanced(bySeconds: 10)) == .pass)
        #expect(LogRateLimit(intervalSeconds: 0, burst: 1, exceptLevel: "") == nil)
        #expect(LogRateLimit(intervalSeconds: 1, burst: 0, exceptLevel: "") == nil)
    }
}
