import Foundation
import TestSupport
import Testing

@testable import OsloMessaging

@Suite(.timeLimit(.minutes(2))) struct ReplyMessageTests {
    private struct Port: Decodable, Equatable {
        // swift-format-ignore: AlwaysUseLowerCamelCase
        var device_id: String
        // swift-format-ignore: AlwaysUseLowerCamelCase
        var tenant_id: String
    }

    private static let callID = MessageID("8c0dd8eb7aa9414f97fce30d9b847371")

    /// A port as a Zed server gives it.
    private static let port: JSONValue = [
        "id": "port-1", "name": "", "network_id": "net-a", "tenant_id": "project-a", "project_id": "project-a",
        "mac_address": "fa:16:3e:00:00:01", "admin_state_up": true, "status": "ACTIVE", "device_id": "vm-1",
        "device_owner": "compute:nova", "standard_attr_id": 26, "allowed_address_pairs": [], "extra_dhcp_opts": [],
        "fixed_ips": [["subnet_id": "subnet-a", "ip_address": "10.0.0.5"]], "security_groups": ["group-a"],
        "binding:vnic_type": "normal", "binding:profile": [:], "binding:host_id": "", "port_security_enabled": true,
        "created_at": "2026-11-22T20:25:42Z", "revision_number": 1, "description": "", "tags": [],
    ]

    private func code(_ body: [UInt8]) -> MessagingError.Code? {
        messagingError { () throws(MessagingError) in try ReplyMessage(body: body) }?.code
    }

    @Test(arguments: ["2.0", "2.1", "2", "2.17.3"])
    func replyInAnyEnvelopeOfVersionTwo(version: String) throws {
        let unique = MessageID()
        let message = reply(to: Self.callID, [Self.port], uniqueID: unique)
        let read = try ReplyMessage(body: envelope(message, version: .string(version)))
        #expect(read.callID == Self.callID)
        #expect(read.uniqueID == unique)
        #expect(read.isLast)
        #expect(read.failure == nil)
        let ports = try RemoteResult(message: read.result).decoded(as: [Port].self)
        #expect(ports == [Port(device_id: "vm-1", tenant_id: "project-a")])
    }

    @Test(arguments: ["1.0", "3.0", "20.0", "", ".", "two"])
    func envelopeOfAnotherVersionIsRefused(version: String) throws {
        #expect(code(try envelope(reply(to: Self.callID, "x"), version: .string(version))) == .malformedReply)
    }

    // Version 1 had no envelope.
    @Test func messageWithoutAnEnvelopeIsRead() throws {
        let read = try ReplyMessage(body: reply(to: Self.callID, "x").json)
        #expect(read.callID == Self.callID)
        #expect(try RemoteResult(message: read.result).decoded(as: String.self) == "x")
    }

    @Test func missingKeysMeanWhatOldServersMean() throws {
        let read = try ReplyMessage(body: envelope(["_msg_id": "m"]))
        #expect(read.callID == MessageID("m"))
        #expect(read.uniqueID == nil)
        #expect(!read.isLast)
        #expect(read.failure == nil)
        #expect(read.result == nil)
    }

    @Test(arguments: [
        ["_msg_id": "m", "result": nil] as JSONValue, ["_msg_id": "m"],
        ["_msg_id": "m", "result": nil, "failure": nil],
    ])
    func nullAndAbsentResultAreTheSame(message: JSONValue) throws {
        let result = RemoteResult(message: try ReplyMessage(body: envelope(message)).result)
        #expect(try result.decoded(as: [Port].self) == nil)
    }

    @Test(arguments: [false, 0, "", [], [:]] as [JSONValue])
    func resultThatIsEmptyIsStillAResult(result: JSONValue) throws {
        #expect(try ReplyMessage(body: envelope(["_msg_id": "m", "result": result])).result != nil)
    }

    @Test(arguments: [
        [:] as JSONValue, ["_msg_id": nil], ["_msg_id": 7], ["_msg_id": "m", "ending": "yes"],
        ["_msg_id": "m", "failure": ["class": "E"]], ["_msg_id": "m", "_unique_id": 1], [], "text", 7, nil,
    ])
    func messageOfAnotherFormIsRefused(message: JSONValue) throws {
        #expect(code(try envelope(message)) == .malformedReply)
        #expect(code(try message.json) == .malformedReply)
    }

    @Test(arguments: [
        "", "null", "{", "{}", "[]", "\"", "\u{FEFF}{}", #"{"oslo.version":"2.0"}"#, #"{"oslo.message":"{}"}"#,
        #"{"oslo.version":2.0,"oslo.message":"{\"_msg_id\":\"m\"}"}"#,
        #"{"oslo.version":"2.0","oslo.message":{"_msg_id":"m"}}"#, #"{"oslo.version":"2.0","oslo.message":""}"#,
        #"{"oslo.version":"2.0","oslo.message":"{\"_msg_id\":\"m\""}"#,
    ])
    func brokenTextIsRefused(text: String) {
        #expect(code(Array(text.utf8)) == .malformedReply)
    }

    @Test func deepNestingIsRefusedAndDoesNotEndTheProcess() throws {
        let deep = String(repeating: "[", count: 200_000)
        #expect(code(Array(deep.utf8)) == .malformedReply)
        #expect(code(try envelope(.string(deep))) == .malformedReply)
        let nested = #"{"_msg_id":"m","result":"# + deep + String(repeating: "]", count: 200_000) + "}"
        #expect(code(Array(nested.utf8)) == .malformedReply)
    }

    @Test func resultOfAnotherTypeIsAnError() throws {
        let result = RemoteResult(message: try ReplyMessage(body: envelope(["_msg_id": "m", "result": "x"])).result)
        let error = messagingError { () throws(MessagingError) in try result.decoded(as: [Port].self) }
        #expect(error?.code == .malformedReply)
    }

    @Test func tenThousandPortsAreRead() throws {
        let port = String(decoding: try Self.port.json, as: UTF8.self).replacing("\"", with: "\\\"")
        let ports = Array(repeating: port, count: 10_000).joined(separator: ",")
        let message = #"{\"_msg_id\": \"m\", \"ending\": true, \"result\": ["# + ports + "]}"
        let body = Array((#"{"oslo.version": "2.0", "oslo.message": ""# + message + #""}"#).utf8)
        #expect(body.count > 5_000_000)
        let read = try RemoteResult(message: ReplyMessage(body: body).result).decoded(as: [Port].self)
        #expect(read?.count == 10_000)
    }

    @Test(arguments: 0..<10)
    func randomBytesAreReadOrRefused(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let good = try envelope(reply(to: Self.callID, [Self.port]))
        for _ in 0..<300 {
            var body = good
            switch Int.random(in: 0..<3, using: &random) {
            case 0:
                body = (0..<Int.random(in: 0..<80, using: &random)).map { _ in .random(in: 0...255, using: &random) }
            case 1: body.removeLast(Int.random(in: 1..<good.count, using: &random))
            default:
                for _ in 0..<Int.random(in: 1...6, using: &random) {
                    body[Int.random(in: 0..<body.count, using: &random)] = .random(in: 0...255, using: &random)
                }
            }
            do throws(MessagingError) {
                let read = try ReplyMessage(body: body)
                #expect(body.count == good.count, "a reply cut short was taken")
                #expect(!read.callID.description.isEmpty)
            } catch {
                #expect(error.code == .malformedReply)
            }
        }
    }
}

@Suite struct RemoteFailureTests {
    private func error(_ failure: JSONValue) throws -> MessagingError {
        RemoteFailure(text: try #require(failure.text)).error(method: "get_ports", topic: "q-plugin")
    }

    // Juno's library had a dot in its name.
    @Test(arguments: ["oslo_messaging.rpc.dispatcher", "oslo.messaging.rpc.dispatcher"])
    func dispatcherSaysThatTheMethodIsMissing(module: String) throws {
        for type in ["NoSuchMethod", "UnsupportedVersion"] {
            let error = try error(failure(type, module: module, "Endpoint does not support it."))
            #expect(error.code == .noSuchMethod)
            #expect(
                error.message == "The server on topic q-plugin does not offer get_ports: Endpoint does not support it."
            )
        }
    }

    // An error of that name from inside the method says nothing about the server's age.
    @Test(arguments: [
        ("NoSuchMethod", "neutron.plugins.ml2.plugin"), ("UnsupportedVersion", ""),
        ("UnsupportedVersion", "neutronclient.common.exceptions"),
        ("RPCDispatcherException", "oslo_messaging.rpc.dispatcher"),
        ("PortNotFound", "neutron_lib.exceptions"), ("DBConnectionError", "oslo_db.exception"),
    ])
    func errorOfTheMethodItself(type: String, module: String) throws {
        let error = try error(failure(type, module: module, "it failed"))
        #expect(error.code == .remoteFailure)
        #expect(error.message.contains(module.isEmpty ? " \(type): it failed" : "\(module).\(type): it failed"))
    }

    @Test(arguments: [
        "", "it broke", "null", "[]", "7", #"{"class": 7}"#, #"{"class": "E", "message": []}"#, "{\"class\":",
    ])
    func failureThatCannotBeReadIsItsOwnMessage(text: String) {
        let failure = RemoteFailure(text: text)
        #expect(failure == RemoteFailure(type: "", module: "", message: text))
        let error = failure.error(method: "get_ports", topic: "q-plugin")
        #expect(error.code == .remoteFailure)
        #expect(error.message.contains("failed in get_ports with an error: \(text)"))
    }

    @Test func missingFieldsAreEmpty() {
        let failure = RemoteFailure(text: #"{"class": "ValueError", "message": null}"#)
        #expect(failure == RemoteFailure(type: "ValueError", module: "", message: ""))
    }

    @Test func longMessageIsCut() throws {
        let text = String(repeating: "é", count: 300)
        #expect(try error(failure("E", module: "m", text)).message.contains(": \(text). "))
        let longer = try error(failure("E", module: "m", text + String(repeating: "x", count: 100_000)))
        #expect(longer.message.contains(": \(text)..."))
        #expect(longer.message.count < 450)
    }
}
