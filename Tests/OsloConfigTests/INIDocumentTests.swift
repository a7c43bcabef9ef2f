import Testing

@testable import OsloConfig

@Suite struct INIDocumentTests {
    private func values(_ text: String) -> [String] {
        INIDocument(bytes: Array(text.utf8)).assignments.map { "[\($0.section)] \($0.key)=\($0.value)@\($0.line)" }
    }

    private func faults(_ text: String) -> [String] {
        INIDocument(bytes: Array(text.utf8)).faults.map { "\($0.line): \($0.reason): \($0.excerpt)" }
    }

    /// Results of oslo.config 10.7 for the same texts.
    @Test(arguments: [
        ("a = b", "b"), ("a=b", "b"), ("a: b", "b"), ("a = b = c", "b = c"), ("a == b", "= b"), ("a : b=c", "b=c"),
        ("a = b # c", "b # c"), ("a = b ; c", "b ; c"), ("a = \"b c\"", "b c"), ("a = 'b'", "b"), ("a = \"", ""),
        ("a = \"b'", "\"b'"), ("a = \"b\" c", "\"b\" c"), ("a = ", ""), ("a = b \t", "b"), ("a = b\r", "b"),
        ("a = \u{A0}b\u{A0}", "b"), ("a = é", "é"), ("a = b\n c\n\td", "b\nc\nd"), ("a =\n b", "\nb"),
        ("a = b\n  # not a comment", "b\n# not a comment"), ("a = b\n# a comment", "b"), ("a = b\n\n", "b"),
        ("a = \"b\n c\"", "\"b\nc\""), ("a = \\n", "\\n"),
    ])
    func assignmentHasTheValueThatOsloReads(text: String, value: String) {
        #expect(INIDocument(bytes: Array("[DEFAULT]\n\(text)".utf8)).assignments.map(\.value) == [value])
        #expect(faults("[DEFAULT]\n\(text)").isEmpty)
    }

    @Test func everyLineEndingIsUnderstood() {
        #expect(values("[x]\r\na=1\r\n\r\nb=2\rc=3\nd=4") == ["[x] a=1@2", "[x] b=2@4", "[x] c=3@5", "[x] d=4@6"])
    }

    @Test func sectionNamesKeepTheirBlanksAndCase() {
        #expect(values("[ a b ]\nx=1\n[AGENT]  \nx=2") == ["[ a b ] x=1@2", "[AGENT] x=2@4"])
    }

    @Test func commentsMayBeInAnyEncoding() {
        let bytes = Array("[x]\n# caf".utf8) + [0xE9, 0x0A] + Array("a=1".utf8)
        let document = INIDocument(bytes: bytes)
        #expect(document.faults.isEmpty)
        #expect(document.assignments.map(\.value) == ["1"])
    }

    @Test(arguments: [
        ("a = b", "1: Section must be started before assignment: a"),
        ("[x] # c", "1: Invalid section (must end with ]): [x]…"),
        ("[x", "1: Invalid section (must end with ]): [x"),
        ("[]", "1: Empty section name: []"),
        ("[x]\nword", "2: No ':' or '=' found in assignment: word"),
        ("[x]\n= v", "2: Key cannot be empty: "),
        ("[x]\n more", "2: Unexpected continuation line: more"),
        ("[x]\na=1\n\n more", "4: Unexpected continuation line: more"),
        ("[x]\na=1\n# c\n more", "4: Unexpected continuation line: more"),
        ("[x]\na=1\0", "2: The line contains a NUL byte; is this a text file?: "),
        ("\u{FEFF}[x]", "1: The file starts with a byte order mark; save it as UTF-8 without one: "),
    ])
    func mistakeNamesItsLine(text: String, fault: String) {
        #expect(faults(text) == [fault])
    }

    @Test func invalidUTF8NamesItsLine() {
        let document = INIDocument(bytes: Array("[x]\na=1\nb=".utf8) + [0xFF, 0xFE])
        #expect(document.faults == [.init(line: 3, reason: "The line is not valid UTF-8", excerpt: "")])
        #expect(document.assignments.map(\.key) == ["a"])
    }

    @Test func excerptOfABrokenLineStopsBeforeAPassword() {
        #expect(faults("[x]\nadmin_password hunter2") == ["2: No ':' or '=' found in assignment: admin_password…"])
    }

    @Test func everyMistakeIsFoundUpToALimit() {
        let text = "[x]\n" + String(repeating: "word\n", count: 100)
        #expect(faults(text).count == INIDocument.faultsMax)
    }

    @Test func valuesUnderABrokenSectionBelongToNobody() {
        #expect(values("[x]\na=1\n[y\na=2\n[z]\na=3") == ["[x] a=1@2", "[z] a=3@6"])
    }

    /// Whatever the bytes, reading ends, and every line is counted at most once.
    @Test func arbitraryBytesAreReadToTheEnd() {
        var random = SplitMix64(seed: 0xC0FF_EE11)
        let alphabet = Array("[]=:#; \t\n\r\"'$ab".utf8) + [0x00, 0xC3, 0xA9, 0xFF, 0xEF, 0xBB, 0xBF]
        for _ in 0..<3_000 {
            let count = Int(random.next() % 60)
            let bytes = (0..<count).map { _ in alphabet[Int(random.next() % UInt64(alphabet.count))] }
            let document = INIDocument(bytes: bytes)
            let lines = document.assignments.map(\.line)
            #expect(lines == lines.sorted() && Set(lines).count == lines.count)
            #expect(document.faults.allSatisfy { (1...(count + 1)).contains($0.line) })
        }
    }
}

/// A small generator with a seed, so that a failing case can be repeated.
struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
