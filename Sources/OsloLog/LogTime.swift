import Glibc

/// A wall-clock time and its spelling in the local time zone, which is what oslo.log writes.
struct LogTime: Hashable, Sendable {
    /// Since 1970, UTC.
    var seconds: Int
    /// 0 to 999,999,999.
    var nanoseconds: Int

    static var now: LogTime {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return LogTime(seconds: time.tv_sec, nanoseconds: time.tv_nsec)
    }

    /// `%(msecs)d`: cut, not rounded, so that it never reaches 1000.
    var milliseconds: Int { nanoseconds / 1_000_000 }

    private var local: tm {
        var time = time_t(seconds)
        var parts = tm()
        localtime_r(&time, &parts)
        return parts
    }

    /// strftime(3)'s text. A format that gives more than 255 bytes gives nothing.
    func formatted(_ format: String) -> String {
        var parts = local
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
            guard let start = buffer.baseAddress, strftime(start, buffer.count, format, &parts) > 0 else { return "" }
            return String(cString: start)
        }
    }

    /// `%(isotime)s`: RFC 3339 with microseconds and the zone's offset.
    var iso: String {
        var text = LogText(capacity: 32)
        text.append(formatted("%Y-%m-%dT%H:%M:%S."))
        text.append(decimal: nanoseconds / 1_000, digits: 6)
        let offsetMinutes = local.tm_gmtoff / 60
        text.append(offsetMinutes < 0 ? "-" : "+")
        text.append(decimal: abs(offsetMinutes) / 60, digits: 2)
        text.append(":")
        text.append(decimal: abs(offsetMinutes) % 60, digits: 2)
        return String(decoding: text.bytes, as: UTF8.self)
    }

    /// Midnight, local time, of the day that is `days` after this one's.
    func midnight(daysLater days: Int) -> LogTime {
        var parts = local
        parts.tm_mday += CInt(days)
        (parts.tm_hour, parts.tm_min, parts.tm_sec) = (0, 0, 0)
        // The zone decides anew: the clock may be changed in between.
        parts.tm_isdst = -1
        return LogTime(seconds: mktime(&parts), nanoseconds: 0)
    }

    /// 0 for Monday to 6 for Sunday, as Python counts.
    var weekday: Int { (Int(local.tm_wday) + 6) % 7 }
}
