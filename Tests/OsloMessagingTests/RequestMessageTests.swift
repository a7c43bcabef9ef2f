import Foundation
import Testing

@testable import OsloMessaging

@Suite struct RequestMessageTests {
    private let method = RemoteMethod(
        "get_ports",
        arguments: ["filters": ["network_id": ["net-a"], "fixed_ips": ["ip_address": ["10.0.0.5"]]]]
    )

    @Test func callIsWhatAServerReads() throws {
        let request = RequestMessage(
            method: method,
            reply: (MessageID("0123456789abcdef0123456789abcdef"), "reply_1"),
            context: ["is_admin": true, "user": nil]
        )
        let message = try innerMessage(request.body(uniqueID: MessageID("fedc")))
        #expect(
            message == [
                "method": "get_ports",
                "args": ["filters": ["network_id": ["net-a"], "fixed_ips": ["ip_address": ["10.0.0.5"]]]],
                "version": "1.0",
                "_msg_id": "0123456789abcdef0123456789abcdef",
                "_reply_q": "reply_1",
                "_timeout": nil,
                "_unique_id": "fedc",
                "_context_is_admin": true,
                "_context_user": nil,
            ]
        )
    }

    // A server that finds a way back replies, to a queue that nobody reads.
    @Test func castHasNoWayBackAndNoNamespace() throws {
        let request = RequestMessage(method: method, reply: nil, context: [:])
        let message = try #require(try innerMessage(request.body(uniqueID: MessageID("u"))))
        #expect(message.keys == ["method", "args", "version", "_unique_id"])
    }

    @Test func textOfAnyKindArrivesUnchanged() throws {
        let text = "a\"b\\c/\u{0}\n\u{2028}é😀"
        let request = RequestMessage(
            method: RemoteMethod("m", version: "1.2", arguments: ["x": .string(text), "n": .integer(.min)]),
            reply: nil,
            context: [:]
        )
        let message = try #require(try innerMessage(request.body(uniqueID: MessageID())))
        #expect(message["args"] == ["x": .string(text), "n": .integer(.min)])
        #expect(message["version"] == "1.2")
    }
}

@Suite struct RequestContextTests {
    @Test func contextIsAnAdminsAndHasNoNullWhereJunoStops() {
        let context = RequestContext.agent(
            requestID: MessageID("0123456789abcdef0123456789abcdef"),
            at: Date(timeIntervalSince1970: 1_790_000_000.5)
        )
        #expect(context["is_admin"] == true)
        #expect(context["read_deleted"] == "no")
        #expect(context["roles"] == [])
        #expect(context["request_id"] == "req-01234567-89ab-cdef-0123-456789abcdef")
        #expect(context["timestamp"] == "2026-09-21 14:13:20.500000")
        // Juno refuses what it cannot make a policy check of.
        #expect(context["load_admin_roles"] == nil)
        // Each names a person or project, and an agent is none.
        let nobody = ["user", "user_id", "tenant", "tenant_id", "project", "project_id", "auth_token"]
        for key in nobody { #expect(context[key] == .some(.null), "\(key)") }
    }

    @Test func everyRequestHasAnIDOfItsOwn() {
        let ids = Set((0..<50).map { _ in RequestContext.agent()["request_id"]?.text ?? "" })
        #expect(ids.count == 50)
        #expect(ids.allSatisfy { $0.wholeMatch(of: /req(-[0-9a-f]+){5}/) != nil && $0.count == 40 })
    }

    @Test func messageIDsAreThirtyTwoLowerCaseDigits() {
        for _ in 0..<200 {
            #expect(MessageID().description.wholeMatch(of: /[0-9a-f]{32}/) != nil)
        }
        #expect(MessageID("0123456789abcdef0123456789abcdef").hyphenated == "01234567-89ab-cdef-0123-456789abcdef")
    }
}

@Suite struct TimestampTests {
    // Fractions that a Date holds exactly, and days around the end of February.
    @Test(
        arguments: [
            (1_709_164_799.0, "2024-02-28T23:59:59.000000"), (1_709_164_800.0, "2024-02-29T00:00:00.000000"),
            (1_709_251_199.5, "2024-02-29T23:59:59.500000"), (1_709_251_200.0, "2024-03-01T00:00:00.000000"),
            (1_677_628_799.75, "2023-02-28T23:59:59.750000"), (1_677_628_800.0, "2023-03-01T00:00:00.000000"),
            (1_735_689_599.984375, "2024-12-31T23:59:59.984375"), (1_735_689_600.015625, "2025-01-01T00:00:00.015625"),
            (4_107_542_400.0, "2100-03-01T00:00:00.000000"), (0.0, "1970-01-01T00:00:00.000000"),
        ]
    )
    func sixDigitsOfFractionAndNoZone(seconds: Double, text: String) {
        let date = Date(timeIntervalSince1970: seconds)
        #expect(Timestamp.text(date) == text)
        #expect(Timestamp.text(date, separator: " ") == text.replacingOccurrences(of: "T", with: " "))
    }

    // Rounded up, the fraction would have seven digits, which Python refuses, or the second would be the next one's.
    @Test(arguments: [1_790_000_000, 1_790_000_059, 1_709_251_199] as [Double])
    func lastMicrosecondStaysInItsSecond(second: Double) {
        let whole = Timestamp.text(Date(timeIntervalSince1970: second)).prefix(20)
        for fraction in [0.999_999, 0.999_999_9, 1.0.nextDown] {
            let date = Date(timeIntervalSince1970: second + fraction)
            // A Date of these years is exact to a quarter of a microsecond.
            guard date.timeIntervalSince1970 < second + 1 else { continue }
            let text = Timestamp.text(date)
            #expect(text.hasPrefix(whole), "\(text)")
            #expect(text.hasSuffix(".999999") || text.hasSuffix(".999998"), "\(text)")
            #expect(text.count == 26)
        }
    }

    @Test func smallFractionsKeepTheirZeros() {
        let text = Timestamp.text(Date(timeIntervalSince1970: 1_790_000_000 + 1.0 / 65_536))
        #expect(text.hasSuffix(":20.000015"), "\(text)")
    }
}
