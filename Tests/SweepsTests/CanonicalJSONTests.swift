import Foundation
import Sweeps
import Testing

@Suite struct CanonicalJSONTests {
    @Test func `one value has one written form`() {
        let value = CanonicalJSON.object([
            "b": .array([.flag(true), .integer(-3), .number(2), .number(0.1), .number(1e-8), .number(1e300)]),
            "a": .text("\"\\\n\u{1}é𝄞"), "é": .object([:]), "z": .array([]),
        ])
        #expect(
            value.written
                == #"{"a":"\"\\\u000a\u0001é𝄞","b":[true,-3,2,0.1,1e-08,1e+300],"z":[],"é":{}}"#
        )
    }

    @Test func `it is JSON`() throws {
        let text = CanonicalJSON.object(["a": .text("\"\\\n\u{1}é"), "b": .number(1e-8), "c": .flag(false)]).written
        let read = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect(read["a"] as? String == "\"\\\n\u{1}é")
        #expect(read["b"] as? Double == 1e-8)
    }

    @Test func `numbers read back as they were`() throws {
        var state: UInt64 = 1
        for _ in 0..<1000 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            let number = Double(bitPattern: state)
            guard number.isFinite else { continue }
            #expect(Double(CanonicalJSON.number(number).written) == number)
        }
        #expect(CanonicalJSON.number(-0.0).written == "0")
        #expect(CanonicalJSON.number(16).written == CanonicalJSON.integer(16).written)
    }
}

@Suite struct UnknownNameTests {
    @Test(arguments: [
        ("lorra", "lora"), ("LORA", "lora"), ("bit-fit", "bitfit"), ("ful", "full"), ("prefixtuning", nil),
        ("", "full"),
        (String(repeating: "l", count: 1000), nil),
    ])
    func `the nearest name is offered if it is near`(name: String, nearest: String?) {
        // An empty name is as far from every name as that is long.
        let expected = name.isEmpty ? nil : nearest
        #expect(UnknownName(kind: "method", name: name, known: ["full", "bitfit", "lora"]).nearest == expected)
    }

    @Test func `a long name is cut in the message`() {
        let error = UnknownName(kind: "task", name: String(repeating: "x", count: 500), known: ["rte", "cola"])
        #expect(error.description == "unknown task \"\(String(repeating: "x", count: 80))…\"; known: rte, cola")
    }

    @Test func `tasks are found by name or title in any case`() throws {
        #expect(try TaskDescription.named("STS-B").name == "sts-b")
        #expect(try TaskDescription.named("sts-b").title == "STS-B")
        #expect(throws: UnknownName.self) { try TaskDescription.named("stsb2x") }
    }
}
