import Inventory
import Testing

@testable import NovaMetadata

@Suite struct TextFormTests {
    /// Expected texts are what Python's `json.dumps` prints.
    static let documents: [(JSONValue, String)] = [
        (.null, "null"),
        (.boolean(true), "true"),
        (.integer(-7), "-7"),
        (.number(1), "1.0"),
        (.number(1.5), "1.5"),
        (.number(1e22), "1e+22"),
        (.number(1e-5), "1e-05"),
        ("", #""""#),
        ("a\"\\/", #""a\"\\/""#),
        ("\n\r\t\u{8}\u{C}\u{0}\u{1F}\u{7F}", #""\n\r\t\b\f\u0000\u001f\u007f""#),
        ("é€😀", #""\u00e9\u20ac\ud83d\ude00""#),
        (.array([]), "[]"),
        (.array([.integer(1), .array([.null])]), "[1, [null]]"),
        ([:], "{}"),
        (["b": .integer(1), "a": ["é": "x"]], #"{"b": 1, "a": {"\u00e9": "x"}}"#),
    ]

    @Test(arguments: documents)
    func jsonIsWrittenAsPythonWritesIt(value: JSONValue, text: String) {
        #expect(value.pythonText == text)
    }

    @Test(arguments: [
        (0, "1970-01-01"), (86_399, "1970-01-01"), (86_400, "1970-01-02"), (951_782_399, "2000-02-28"),
        (951_782_400, "2000-02-29"), (951_868_800, "2000-03-01"), (1_735_689_599, "2024-12-31"),
        (1_735_689_600, "2025-01-01"), (4_107_542_400, "2100-03-01"), (253_402_300_799, "9999-12-31"),
        (253_402_300_800, "9999-12-31"), (-1, "1970-01-01"),
    ])
    func dayOfAMoment(seconds: Int, day: String) {
        #expect(UTCDay(secondsSince1970: seconds).description == day)
    }

    @Test(arguments: [
        ("/a/b", ["a", "b"]), ("/a//b/", ["a", "b"]), ("a", ["a"]), ("/a/./b", ["a", "b"]), ("/a/../b", ["b"]),
        ("/../../a", ["a"]), ("/a%2Fb", ["a", "b"]), ("/a%2e%2e", ["a.."]), ("/%2e%2e/a", ["a"]), ("/%", ["%"]),
        ("/%4", ["%4"]), ("/%zz", ["%zz"]), ("/%c3%a9", ["é"]), ("/a?b/c", ["a"]), ("/a%3Fb", ["a?b"]),
        ("http://h/a", ["a"]), ("http://h", []), ("/a+b", ["a+b"]),
    ])
    func pathIsTakenApart(target: String, elements: [String]) {
        #expect(MetadataPath(target: target).elements == elements)
    }
}
