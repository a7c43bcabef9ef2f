import Foundation

@testable import OsloMessaging

/// Any JSON as a value that tests can compare.
struct AnyJSON: Decodable {
    var value: JSONValue

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            value = .null
        } else if let boolean = try? container.decode(Bool.self) {
            value = .boolean(boolean)
        } else if let integer = try? container.decode(Int.self) {
            value = .integer(integer)
        } else if let string = try? container.decode(String.self) {
            value = .string(string)
        } else if let array = try? container.decode([AnyJSON].self) {
            value = .array(array.map(\.value))
        } else {
            value = .object(try container.decode([String: AnyJSON].self).mapValues(\.value))
        }
    }

    static func read(_ bytes: some Sequence<UInt8>) throws -> JSONValue {
        try JSONDecoder().decode(AnyJSON.self, from: Data(bytes)).value
    }
}

extension JSONValue {
    subscript(key: String) -> JSONValue? {
        if case .object(let fields) = self { fields[key] } else { nil }
    }

    var text: String? {
        if case .string(let text) = self { text } else { nil }
    }

    var keys: Set<String> {
        if case .object(let fields) = self { Set(fields.keys) } else { [] }
    }

    /// As a server would write it.
    var json: [UInt8] {
        get throws { Array(try JSONEncoder().encode(self)) }
    }
}

/// The inner message of a body that has oslo.messaging's envelope 2.0 and nothing else.
func innerMessage(_ body: [UInt8]) throws -> JSONValue? {
    let envelope = try AnyJSON.read(body)
    guard envelope.keys == ["oslo.version", "oslo.message"], envelope["oslo.version"] == "2.0" else { return nil }
    return try envelope["oslo.message"]?.text.map { try AnyJSON.read($0.utf8) }
}

/// `message` as one goes over the wire: its JSON as a string in a JSON object.
func envelope(_ message: JSONValue, version: JSONValue = "2.0") throws -> [UInt8] {
    let inner = String(decoding: try message.json, as: UTF8.self)
    let envelope: JSONValue = ["oslo.version": version, "oslo.message": .string(inner)]
    return try envelope.json
}

/// What a server since Mitaka puts into the envelope.
func reply(
    to call: MessageID,
    _ result: JSONValue,
    failure: JSONValue = .null,
    isLast: Bool = true,
    uniqueID: MessageID = MessageID()
) -> JSONValue {
    [
        "result": result, "failure": failure, "ending": .boolean(isLast), "_msg_id": .string(call.description),
        "_unique_id": .string(uniqueID.description),
    ]
}

/// A server's exception in the form of the `failure` of a reply: JSON in a string.
func failure(_ type: String, module: String, _ message: String) throws -> JSONValue {
    let fields: JSONValue = [
        "class": .string(type), "module": .string(module), "message": .string(message),
        "tb": ["Traceback (most recent call last):\n", "  File \"server.py\", line 157, in _process_incoming\n"],
        "args": [.string(message)], "kwargs": [:],
    ]
    return .string(String(decoding: try fields.json, as: UTF8.self))
}

/// The error of an expression that can throw nothing else.
func messagingError<Value>(_ body: () throws(MessagingError) -> Value) -> MessagingError? {
    do throws(MessagingError) {
        _ = try body()
        return nil
    } catch {
        return error
    }
}
