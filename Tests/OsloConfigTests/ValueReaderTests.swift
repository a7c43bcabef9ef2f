import Testing

@testable import OsloConfig

@Suite struct ValueReaderTests {
    private func read(_ text: String, _ kind: Option.Kind) -> Value? {
        try? ValueReader.read(text, for: Option("x", kind: kind, help: ""))
    }

    private func refusal(_ text: String, _ kind: Option.Kind) -> String? {
        do throws(ValueReader.Refusal) {
            _ = try ValueReader.read(text, for: Option("x", kind: kind, help: ""))
            return nil
        } catch {
            return error.sentence
        }
    }

    @Test(arguments: ["true", "1", "on", "yes", "True", "YES", "oN"])
    func wordIsTrue(text: String) { #expect(read(text, .boolean) == .boolean(true)) }

    @Test(arguments: ["false", "0", "off", "no", "False", "NO"])
    func wordIsFalse(text: String) { #expect(read(text, .boolean) == .boolean(false)) }

    @Test(arguments: ["", " true", "t", "2", "tru", "none"])
    func wordIsNoBoolean(text: String) {
        #expect(refusal(text, .boolean) == "Unexpected boolean value '\(text)'")
    }

    @Test(arguments: [
        ("0", 0), ("-3", -3), ("+7", 7), (" 5 ", 5), ("1_000", 1000), ("007", 7), ("\n9", 9),
    ])
    func numberIsWhole(text: String, number: Int) { #expect(read(text, .integer()) == .integer(number)) }

    @Test(arguments: [
        "0x10", "1.0", "1e3", "one", "1__0", "_1", "1_", "--1", "+ 1", "1 000", "-", "9223372036854775808",
    ])
    func textIsNoWholeNumber(text: String) { #expect(refusal(text, .integer()) != nil) }

    @Test(arguments: [Option.Kind.integer(), .integer(min: 1), .float(), .port])
    func emptyNumberIsUnset(kind: Option.Kind) {
        #expect(read("", kind) == .unset)
        #expect(read("  ", kind) == .unset)
    }

    @Test func rangesIncludeTheirEnds() {
        let kind = Option.Kind.integer(min: 1, max: 9)
        #expect(read("1", kind) == .integer(1))
        #expect(read("9", kind) == .integer(9))
        #expect(refusal("0", kind) == "Should be greater than or equal to 1, but found '0'")
        #expect(refusal("10", kind) == "Should be less than or equal to 9, but found '10'")
        #expect(read("60", .float(min: 0, max: 60)) == .float(60))
        #expect(refusal("-0.1", .float(min: 0, max: 60)) == "Should be greater than or equal to 0.0, but found '-0.1'")
    }

    @Test(arguments: [("0", true), ("65535", true), ("65536", false), ("-1", false), ("http", false)])
    func portIsASixteenBitNumber(text: String, isValid: Bool) { #expect((read(text, .port) != nil) == isValid) }

    @Test(arguments: [
        ("8.5", 8.5), ("1e1", 10), (".5", 0.5), ("5.", 5), ("-2", -2), (" 1_0.5 ", 10.5), ("1E-2", 0.01),
    ])
    func numberIsDecimal(text: String, number: Double) { #expect(read(text, .float()) == .float(number)) }

    @Test(arguments: ["inf", "nan", "1e400", "1,5", "0x1p3", "e1", "1.5.", "ten"])
    func textIsNoDecimalNumber(text: String) { #expect(refusal(text, .float()) != nil) }

    @Test(arguments: [
        ("", []), (",", []), ("a", ["a"]), ("a,b", ["a", "b"]), (" a , b ,", ["a", "b"]), ("a,,b", ["a", "", "b"]),
        ("a,b,,", ["a", "b"]), (",a", ["", "a"]), ("a\n,b", ["a", "b"]), ("\"a,b\"", ["\"a", "b\""]),
    ])
    func listIsSplitAtCommas(text: String, items: [String]) { #expect(read(text, .list) == .list(items)) }

    @Test func choicesCompareCase() {
        let kind = Option.Kind.string(choices: ["http", "https"])
        #expect(read("https", kind) == .string("https"))
        #expect(refusal("HTTPS", kind) == "Valid values are [http, https], but found 'HTTPS'")
        let relaxed = Option("x", kind: .string(choices: ["days"]), help: "", ignoresChoiceCase: true)
        #expect((try? ValueReader.read("Days", for: relaxed)) == .string("days"))
    }

    @Test(arguments: [
        "10.0.0.1", "::1", "2001:db8::5", "localhost", "nova.example.org", "a-b", "1.a", "x1", "3com.example", "a.1-2",
        String(repeating: "x", count: 63),
    ])
    func hostIsValid(text: String) { #expect(read(text, .hostAddress) == .string(text)) }

    @Test(arguments: [
        "", "ho_st", "http://x", "999.1.1.1", "1.2", "[::1]", "fe80::1%eth0", "-a", "a-", "a..b", ".a", "a b",
        "é", ".", String(repeating: "x", count: 64), String(repeating: "ab.", count: 85) + "a",
    ])
    func hostIsInvalid(text: String) { #expect(refusal(text, .hostAddress) != nil) }

    @Test func closingDotOfAHostNameIsDropped() {
        #expect(read("nova.example.org.", .hostAddress) == .string("nova.example.org"))
    }

    @Test func secretIsNotQuotedInARefusal() {
        let option = Option("x", kind: .string(choices: ["a"]), help: "", isSecret: true)
        #expect(throws: ValueReader.Refusal("Valid values are [a], but found '****'")) {
            try ValueReader.read("hunter2", for: option)
        }
    }
}
