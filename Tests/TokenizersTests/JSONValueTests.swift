import Testing

@testable import Tokenizers

@Suite struct JSONValueTests {
    @Test func `reads every kind of value`() throws {
        let text =
            #" {"a": [1, -2.5e1, true, false, null], "b": {"c": "x\n\u00e9\ud83d\ude00\/"}, "b2": {} , "e": []} "#
        let value = try JSONValue(Array(text.utf8))
        #expect(value["a"]?.elements == [.number(1), .number(-25), .bool(true), .bool(false), .null])
        #expect(value["b"]?["c"]?.text == "x\n\u{e9}\u{1f600}/")
        #expect(value["b2"] == .object([]))
        #expect(value["e"]?.elements == [])
        #expect(value["missing"] == nil)
    }

    @Test func `keeps canonically equivalent names apart`() throws {
        let value = try JSONValue(Array("{\"\u{e9}\": 1, \"e\u{301}\": 2}".utf8))
        #expect(value["\u{e9}"]?.integer == 1)
        #expect(value["e\u{301}"]?.integer == 2)
    }

    @Test(arguments: [
        "", "{", "[1,", "[1 2]", #"{"a" 1}"#, #"{"a": 1,}"#, #"{a: 1}"#, #""abc"#, "\"a\nb\"", #""\x""#, #""\ud800""#,
        #""\ud83dx""#, #""\u12""#, "tru", "nul", "-", "1e999", "[] []", "{}x",
    ])
    func `malformed text is refused with its place`(text: String) throws {
        #expect(throws: JSONValue.Malformed.self) { try JSONValue(Array(text.utf8)) }
    }

    @Test func `nesting is bounded`() throws {
        #expect(throws: JSONValue.Malformed.self) {
            try JSONValue([UInt8](repeating: UInt8(ascii: "["), count: 100_000))
        }
    }
}
