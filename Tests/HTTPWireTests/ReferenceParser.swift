import HTTPWire

/// A second reading of the same rules, written for clarity instead of speed: lines and strings, no offsets, no
/// state. The scanner must accept exactly what this accepts and report the same facts.
struct ReferenceRequest: Equatable {
    enum Identity: Equatable {
        case absent
        case one(String)
        case repeated
    }

    var method = ""
    var target = ""
    var minorVersion = 1
    var framing = BodyFraming.none
    var keepsAlive = false
    var expectsContinue = false
    var networkID = Identity.absent
    var routerID = Identity.absent
    var forwardedFor: String?
    var forwardedForIsList = false
    var held: String?

    init() {}

    /// Nil unless `head`, which ends with its empty line, is acceptable.
    init?(_ head: [UInt8]) {
        var text = head.map { Character(Unicode.Scalar($0)) }
        for _ in 0..<RequestHeadScanner.leadingEmptyLinesMax {
            if text.starts(with: ["\r", "\n"]) {
                text.removeFirst(2)
            } else if text.first == "\n" {
                text.removeFirst()
            }
        }
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map {
            $0.last == "\r" ? String($0.dropLast()) : String($0)
        }
        guard lines.count >= 3, lines.removeLast() == "", lines.removeLast() == "" else { return nil }
        for (index, line) in lines.enumerated() {
            guard line.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0 != "\u{7F}" || index > 0 && $0 == "\t" })
            else {
                return nil
            }
        }
        guard readRequestLine(lines.removeFirst()) else { return nil }
        var fields: [String: [String]] = [:]
        for line in lines {
            guard let colon = line.firstIndex(of: ":"), Self.isToken(String(line[..<colon])) else { return nil }
            let name = line[..<colon].lowercased()
            fields[name, default: []].append(Self.trimmed(line[line.index(after: colon)...]))
        }
        guard readFields(fields) else { return nil }
    }

    private mutating func readRequestLine(_ line: String) -> Bool {
        let parts = line.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3, Self.isToken(parts[0]), !parts[1].isEmpty else { return false }
        method = parts[0]
        let version = Array(parts[2])
        guard version.count == 8, version.starts(with: "HTTP/1."), version[7].isASCII, version[7].isNumber else {
            return false
        }
        minorVersion = version[7] == "0" ? 0 : 1
        target = parts[1]
        guard target.unicodeScalars.allSatisfy({ (0x21...0x7E).contains($0.value) && $0 != "#" }) else { return false }
        if method == "CONNECT" || target.hasPrefix("/") || (method == "OPTIONS" && target == "*") { return true }
        for scheme in ["http://", "https://"] where target.lowercased().hasPrefix(scheme) {
            let rest = target.dropFirst(scheme.count)
            let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
            guard end > rest.startIndex else { return false }
            target = String(rest[end...])
            if !target.hasPrefix("/") { target = "/" + target }
            return true
        }
        return false
    }

    private mutating func readFields(_ fields: [String: [String]]) -> Bool {
        if fields["host", default: []].count > 1 { return false }
        let lengths = Set(fields["content-length", default: []].map(Self.decimal))
        if lengths.contains(nil) || lengths.count > 1 { return false }
        if let codings = fields["transfer-encoding"] {
            guard codings.map({ $0.lowercased() }) == ["chunked"], lengths.isEmpty, minorVersion == 1 else {
                return false
            }
            framing = .chunked
        } else if let length = lengths.first, let length {
            framing = .length(length)
        }
        let expectations = Set(fields["expect", default: []].map { $0.lowercased() }).subtracting([""])
        guard expectations.isSubset(of: ["100-continue"]) else { return false }
        expectsContinue =
            !expectations.isEmpty && minorVersion == 1 && framing != BodyFraming.none && framing != .length(0)
        let options = fields["connection", default: []].flatMap(Self.elements).map { $0.lowercased() }
        keepsAlive = !options.contains("close") && (minorVersion == 1 || options.contains("keep-alive"))
        networkID = Self.identity(fields["x-neutron-network-id", default: []])
        routerID = Self.identity(fields["x-neutron-router-id", default: []])
        let addresses = fields["x-forwarded-for", default: []].map(Self.elements)
        forwardedForIsList = addresses.flatMap { $0 }.count > 1
        forwardedFor = addresses.last?.last.flatMap { $0.isEmpty ? nil : $0 }
        held = fields["x-bellhop-held"]?.last.flatMap { $0.isEmpty ? nil : $0 }
        return true
    }

    private static func identity(_ values: [String]) -> Identity {
        let values = values.filter { !$0.isEmpty }
        guard let only = values.first else { return .absent }
        return values.count > 1 || only.contains(",") ? .repeated : .one(only)
    }

    private static func decimal(_ text: String) -> UInt64? {
        text.allSatisfy { $0.isASCII && $0.isNumber } ? UInt64(text) : nil
    }

    private static func elements(_ text: String) -> [String] {
        text.split(separator: ",", omittingEmptySubsequences: false).map(trimmed)
    }

    private static func trimmed(_ text: Substring) -> String {
        let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        let tail = text.drop(while: isBlank)
        guard let last = tail.lastIndex(where: { !isBlank($0) }) else { return "" }
        return String(tail[...last])
    }

    private static func isToken(_ text: String) -> Bool {
        !text.isEmpty
            && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "!#$%&'*+-.^_`|~".contains($0)) }
    }
}

/// A chunked body read the slow way. Nil if it is malformed or incomplete.
struct ReferenceChunked: Equatable {
    var payload: [UInt8] = []
    var consumed = 0

    init?(_ bytes: [UInt8]) {
        while let line = takeLine(bytes, maximum: BodyReader.chunkLineBytesMax) {
            let digits = line.prefix { $0 != UInt8(ascii: ";") && $0 != 0x20 && $0 != 0x09 }
            let rest = line.dropFirst(digits.count).drop { $0 == 0x20 || $0 == 0x09 }
            guard rest.isEmpty ? digits.count == line.count : rest.first == UInt8(ascii: ";") else { return nil }
            guard !digits.isEmpty, digits.first != UInt8(ascii: "+"), digits.first != UInt8(ascii: "-"),
                let size = UInt64(String(decoding: digits, as: UTF8.self), radix: 16)
            else { return nil }
            if size == 0 {
                let trailers = consumed
                while let trailer = takeLine(bytes, maximum: .max) {
                    if consumed - trailers > BodyReader.trailerBytesMax { return nil }
                    if trailer.isEmpty { return }
                }
                return nil
            }
            guard size <= UInt64(bytes.count - consumed) else { return nil }
            payload += bytes[consumed..<consumed + Int(size)]
            consumed += Int(size)
            guard bytes[consumed...].starts(with: [13, 10]) else { return nil }
            consumed += 2
        }
        return nil
    }

    /// The next line that ends with CRLF and has no other control byte than tabs.
    private mutating func takeLine(_ bytes: [UInt8], maximum: Int) -> ArraySlice<UInt8>? {
        let line = bytes[consumed...].prefix { $0 == 0x09 || ($0 >= 0x20 && $0 != 0x7F) }
        guard line.count <= maximum, bytes[line.endIndex...].starts(with: [13, 10]) else { return nil }
        consumed = line.endIndex + 2
        return line
    }
}
