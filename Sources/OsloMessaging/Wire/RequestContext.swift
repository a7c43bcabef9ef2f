#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Who asks, as the server's `context.Context` reads it.
///
/// The keys are the union of what servers from Juno on know; each drops those it does not. `is_admin` is what counts:
/// without it ports are searched in a project that does not exist, and none is ever found. `read_deleted` must be
/// `no`, since Juno stops at a null there.
public enum RequestContext {
    /// An agent's own context. A new request id each time, by which the server's log lines are found.
    public static func agent(requestID: MessageID = MessageID(), at date: Date = Date()) -> [String: JSONValue] {
        [
            "is_admin": true,
            "is_admin_project": true,
            "read_deleted": "no",
            "read_only": false,
            "show_deleted": false,
            "roles": [],
            "request_id": .string("req-\(requestID.hyphenated)"),
            "timestamp": .string(Timestamp.text(date, separator: " ")),
            "auth_token": nil,
            "user": nil,
            "user_id": nil,
            "user_name": nil,
            "tenant": nil,
            "tenant_id": nil,
            "tenant_name": nil,
            "project": nil,
            "project_id": nil,
            "project_name": nil,
            "domain": nil,
            "user_domain": nil,
            "project_domain": nil,
            "resource_uuid": nil,
            "global_request_id": nil,
        ]
    }
}

/// Times as Python's `strftime('%Y-%m-%dT%H:%M:%S.%f')` writes them: UTC, six digits of fraction, no zone.
public enum Timestamp {
    /// - Parameter separator: between date and time: `T` or a blank.
    public static func text(_ date: Date, separator: String = "T") -> String {
        // The whole microseconds first: rounding the seconds apart could give a fraction of 1000000.
        let microseconds = Int64((date.timeIntervalSince1970 * 1_000_000).rounded(.down))
        let (seconds, fraction) = microseconds.quotientAndRemainder(dividingBy: 1_000_000)
        let digits = String(fraction)
        let style = Date.ISO8601FormatStyle(dateTimeSeparator: separator == " " ? .space : .standard)
            .year().month().day().time(includingFractionalSeconds: false)
        return Date(timeIntervalSince1970: TimeInterval(seconds)).formatted(style) + "."
            + String(repeating: "0", count: max(6 - digits.count, 0)) + digits
    }
}
