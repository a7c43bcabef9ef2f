import Testing

@testable import OsloLog

@Suite struct LogRotationTests {
    let directory = ScratchDirectory()

    @Test(
        arguments: [
            (.seconds(5), "2026-11-22 21:33:24"), (.hours(2), "2026-11-22 23:33:19"), (.days(1), "2026-11-23 21:33:19"),
            (.midnight(1), "2026-11-23 00:00:00"), (.weekday(6), "2026-11-23 00:00:00"),
            (.weekday(0), "2026-11-24 00:00:00"), (.weekday(5), "2026-11-29 00:00:00"),
        ] as [(LogRotation.Interval, String)]
    )
    func intervalEnds(_ interval: LogRotation.Interval, _ end: String) {
        _ = zone
        #expect(interval.end(after: evening).formatted("%Y-%m-%d %H:%M:%S") == end)
    }

    @Test func midnightIsRightWhenTheClockChanges() {
        _ = zone
        let before = LogTime(seconds: 1_792_850_400, nanoseconds: 0)  // 24 October 2026, 16:00 local time
        #expect(before.midnight(daysLater: 1).formatted("%d %H:%M") == "25 00:00")
        #expect(before.midnight(daysLater: 2).formatted("%d %H:%M") == "26 00:00")
    }

    @Test func oldFileGetsTheDateOnWhichItBeganAndTheOldestGo() {
        _ = zone
        for name in ["a.log", "a.log.2026-11-18", "a.log.2026-11-19", "a.log.2026-11-20", "a.log.gz", "a.log.old"] {
            directory.write(name, to: name)
        }
        let rotation = LogRotation.interval(.days(1), filesMax: 2)
        var progress = rotation.begin(lastChange: LogTime(seconds: evening.seconds - 86_400, nanoseconds: 0))
        #expect(
            !rotation.isDue(progress, size: 1, adding: 1, now: LogTime(seconds: evening.seconds - 1, nanoseconds: 0))
        )
        #expect(rotation.isDue(progress, size: 1, adding: 1, now: evening))
        rotation.rotate(directory.file("a.log"), &progress, now: evening)
        #expect(directory.read("a.log") == nil)
        #expect(directory.read("a.log.2026-11-21") == "a.log")
        #expect(directory.read("a.log.2026-11-20") != nil)
        #expect(directory.read("a.log.2026-11-19") == nil)
        #expect(directory.read("a.log.2026-11-18") == nil)
        #expect(directory.read("a.log.gz") != nil)
        #expect(directory.read("a.log.old") != nil)
        #expect(!rotation.isDue(progress, size: 1, adding: 1, now: evening))
    }

    @Test func longSleepDoesNotRotateOncePerMissedInterval() {
        let rotation = LogRotation.interval(.seconds(1), filesMax: 2)
        var progress = rotation.begin(lastChange: LogTime(seconds: 0, nanoseconds: 0))
        rotation.rotate(directory.file("a.log"), &progress, now: evening)
        #expect(!rotation.isDue(progress, size: 1, adding: 1, now: evening))
    }
}
