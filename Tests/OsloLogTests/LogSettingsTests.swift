import Logging
import OsloConfig
import Testing

@testable import OsloLog

@Suite struct LogSettingsTests {
    private func settings(_ arguments: [String], file: String? = nil) throws -> LogSettings {
        let directory = ScratchDirectory()
        var arguments = arguments
        if let file {
            directory.write("[DEFAULT]\n" + file, to: "f.conf")
            arguments = ["--config-file", directory.file("f.conf")] + arguments
        }
        let loader = ConfigurationLoader(
            program: "neutron-ns-metadata-proxy",
            version: "0",
            options: LoggingOptions.all,
            usesDefaultFiles: false,
            environment: [:]
        )
        guard case .run(let configuration) = try loader.load(arguments: arguments) else {
            throw LogError(code: .badOption, message: "not run")
        }
        return try LogSettings(configuration, program: "neutron-ns-metadata-proxy", workingDirectory: "/started/in")
    }

    @Test func defaultsAreNeutrons() throws {
        let settings = try settings([])
        #expect(settings.filePath == nil)
        #expect(settings.usesStandardOutput)
        #expect(!settings.usesStandardError)
        #expect(!settings.isDebug)
        #expect(settings.quietLevel == .info)
        #expect(settings.levels["amqp"] == .warning)
        #expect(settings.defaultFormat == LoggingOptions.defaultFormat)
        #expect(settings.warnings.isEmpty)
    }

    @Test(
        arguments: [
            (["--log-file", "a.log"], "/started/in/a.log"), (["--log-file=/x/a.log"], "/x/a.log"),
            (["--log-file=a.log", "--log-dir=/var/log/neutron"], "/var/log/neutron/a.log"),
            (["--log-file=/x/a.log", "--log-dir=/var/log"], "/x/a.log"),
            (["--log-dir=/var/log/"], "/var/log/neutron-ns-metadata-proxy.log"),
            (["--logdir=logs", "--logfile=a.log"], "/started/in/logs/a.log"),
            (["--log-file="], nil), ([], nil),
        ] as [([String], String?)]
    )
    func logFileIsFoundAndMadeAbsolute(_ arguments: [String], _ path: String?) throws {
        let settings = try settings(arguments)
        #expect(settings.filePath == path)
        #expect(settings.usesStandardOutput == (path == nil))
    }

    @Test func sinksAddUp() throws {
        let syslog = try settings(["--use-syslog", "--syslog-log-facility=local3"])
        #expect(syslog.usesSyslog && syslog.usesStandardOutput)
        #expect(syslog.facility == 19)
        let journal = try settings(["--use-journal"])
        #expect(journal.usesJournal && !journal.usesStandardOutput)
        let standardError = try settings([], file: "use_stderr = true\n")
        #expect(standardError.usesStandardError && !standardError.usesStandardOutput)
    }

    @Test func levelsAreThoseOfJuno() throws {
        #expect(try settings(["--noverbose"]).quietLevel == .warning)
        #expect(try settings(["--verbose"]).quietLevel == .info)
        #expect(try settings(["-d"]).isDebug)
    }

    @Test func facilityThatDoesNotExistStopsTheStart() {
        let error = #expect(throws: LogError.self) { try settings(["--syslog-log-facility=LOCAL9"]) }
        #expect(error?.code == .badOption)
        #expect(error?.message.contains("LOCAL9") == true)
    }

    @Test func unreadableLevelIsIgnoredWithAWarning() throws {
        let settings = try settings([], file: "default_log_levels = amqp=LOUD, x=DEBUG, y\n")
        #expect(settings.levels == ["x": .debug])
        #expect(settings.warnings.count == 2)
    }

    @Test(
        arguments: [
            ("", .none),
            ("log_rotation_type = Size\nmax_logfile_size_mb = 2\n", .size(bytesMax: 2_097_152, filesMax: 30)),
            ("log_rotation_type = interval\nmax_logfile_count = 3\n", .interval(.days(1), filesMax: 3)),
            (
                "log_rotation_type = interval\nlog_rotate_interval_type = Weekday\nlog_rotate_interval = 9\n",
                .interval(.weekday(6), filesMax: 30)
            ),
            (
                "log_rotation_type = interval\nlog_rotate_interval_type = hours\nlog_rotate_interval = 0\n",
                .interval(.hours(1), filesMax: 30)
            ),
        ] as [(String, LogRotation)]
    )
    func rotationIsRead(_ file: String, _ rotation: LogRotation) throws {
        #expect(try settings([], file: file).rotation == rotation)
    }

    @Test func formatsOfAFileAreUsed() throws {
        let settings = try settings([], file: "logging_default_format_string = %(message)s\nuse_json = on\n")
        #expect(settings.defaultFormat == "%(message)s")
        #expect(settings.usesJSON)
    }

    @Test func everyOptionIsDescribedOnce() {
        let names = LoggingOptions.all.map(\.name)
        #expect(Set(names).count == names.count)
        #expect(LoggingOptions.all.allSatisfy { !$0.help.isEmpty && $0.group == "DEFAULT" })
    }
}
