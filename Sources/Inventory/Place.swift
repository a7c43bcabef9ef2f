import MetadataModel
import Yams

/// A spot in the file: a node, and the path by which messages name it.
///
/// Each reading function returns nil after it has reported why, so that one pass finds every mistake.
struct Place {
    let node: Node
    let path: String
    let problems: ProblemList

    /// Written as nothing, `~` or `null`.
    var isNull: Bool {
        guard case .scalar(let scalar) = node, scalar.style == .plain else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(scalar.string)
    }

    var isScalar: Bool { scalarText != nil }

    var isMapping: Bool {
        if case .mapping = node { true } else { false }
    }

    /// The word `none`, which switches off what would otherwise have a default.
    var isNone: Bool { scalarText == "none" }

    func report(_ message: String) {
        problems.add(line: node.mark?.line, path: path, message)
    }

    /// Reports that the value is not what it should be and shows it.
    private func refuse(_ expectation: String) {
        guard case .scalar(let scalar) = node else {
            report("\(expectation): this is a \(isMapping ? "mapping" : "list")")
            return
        }
        report("\(expectation): \(Self.quote(scalar.string))")
    }

    /// The value for a message: on one line and not longer than a line.
    static func quote(_ text: String) -> String {
        (text.count > 60 ? String(text.prefix(57)) + "..." : text).debugDescription
    }

    // MARK: Scalars

    private var scalarText: String? {
        if case .scalar(let scalar) = node { scalar.string } else { nil }
    }

    /// Any scalar as it is written: `on` is the text "on".
    func text() -> String? {
        if let scalarText { return scalarText }
        refuse("not text")
        return nil
    }

    /// Text of 1 to `countMax` bytes without control characters.
    func line(countMax: Int = 255) -> String? {
        guard let text = text() else { return nil }
        guard (1...countMax).contains(text.utf8.count),
            text.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control })
        else {
            refuse("not 1 to \(countMax) bytes on one line")
            return nil
        }
        return text
    }

    func integer(in range: ClosedRange<Int>) -> Int? {
        if let value = scalarText.flatMap({ Int($0) }), range.contains(value) { return value }
        refuse("not a whole number from \(range.lowerBound) to \(range.upperBound)")
        return nil
    }

    func boolean() -> Bool? {
        switch scalarText?.lowercased() {
        case "true", "yes", "on": return true
        case "false", "no", "off": return false
        default:
            refuse("not true or false")
            return nil
        }
    }

    func choice<Choice: CaseIterable & RawRepresentable<String>>(of _: Choice.Type) -> Choice? {
        if let choice = scalarText.flatMap(Choice.init(rawValue:)) { return choice }
        refuse("not one of \(Choice.allCases.map(\.rawValue).joined(separator: ", "))")
        return nil
    }

    func address() -> IPAddress? {
        if let address = scalarText.flatMap({ $0.contains("%") ? nil : IPAddress($0) }) { return address }
        refuse("not an address")
        return nil
    }

    func prefix() -> IPPrefix? {
        guard let text = scalarText, let prefix = IPPrefix(text) else {
            refuse("not a block of addresses like 10.0.0.0/24")
            return nil
        }
        guard let address = IPAddress(text.prefix { $0 != "/" }), address == prefix.network else {
            refuse("has bits beyond its length, meant is perhaps \(prefix)")
            return nil
        }
        return prefix
    }

    func mac() -> MACAddress? {
        guard let mac = scalarText.flatMap({ MACAddress($0) }) else {
            refuse("not a MAC address like fa:16:3e:00:00:01")
            return nil
        }
        return mac
    }

    /// An id as Neutron or Keystone would print it.
    func id() -> ResourceID? {
        guard let id = scalarText.flatMap({ ResourceID($0) }) else {
            refuse("not an id of 1 to \(ResourceID.byteCountMax) visible ASCII characters")
            return nil
        }
        return id
    }

    /// A UUID, in lower case whatever the file has.
    func uuid() -> ResourceID? {
        guard let text = scalarText?.lowercased(), Self.isUUID(text), let id = ResourceID(text) else {
            refuse("not a UUID like \(NameBasedID.uuid("example"))")
            return nil
        }
        return id
    }

    private static func isUUID(_ text: String) -> Bool {
        text.utf8.count == 36
            && text.utf8.enumerated().allSatisfy { index, byte in
                [8, 13, 18, 23].contains(index)
                    ? byte == UInt8(ascii: "-")
                    : (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                        || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
            }
    }

    // MARK: Collections

    /// The items of a list; a single scalar counts as a list of one.
    func items() -> [Place] {
        switch node {
        case .sequence(let sequence):
            return sequence.enumerated().map { Place(node: $1, path: "\(path)[\($0)]", problems: problems) }
        case .scalar:
            return isNull ? [] : [self]
        case .mapping, .alias:
            refuse("not a list")
            return []
        }
    }

    /// The value of each item that has one; the others are reported.
    func list<Value>(_ read: (Place) -> Value?) -> [Value] {
        items().compactMap(read)
    }

    /// The mapping here, which may be empty or left out.
    func section() -> Section? {
        if case .mapping(let mapping) = node { return Section(self, mapping) }
        if isNull { return Section(self, [:]) }
        refuse("not a mapping")
        return nil
    }
}
