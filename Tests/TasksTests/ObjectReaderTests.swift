import Sweeps
import Testing

@testable import Tasks

/// SuperGLUE's files with made-up rows.
@Suite struct ObjectReaderTests {
    static let lines = [
        "boolq": #"{"question": "is it so", "passage": "It -- is so.", "idx": 0, "label": true}"#,
        "cb": #"{"premise": "P.", "hypothesis": "H.", "label": "neutral", "idx": 1}"#,
        "rte": #"{"premise": "P.", "hypothesis": "H.", "label": "not_entailment", "idx": 1}"#,
        "wic": #"{"word": "set", "sentence1": "🙂 A set.", "sentence2": "Sets", "start1": 4, "end1": 7, "#
            + #""start2": 0, "end2": 4, "label": false, "idx": 2, "version": 1.1}"#,
        "wsc": #"{"text": "Ann met  Eve, and she smiled.", "target": {"span1_index": 0, "span1_text": "Ann", "#
            + #""span2_index": 4, "span2_text": "she"}, "idx": 3, "label": true}"#,
        "multirc": #"{"idx": 6, "passage": {"text": "T.", "questions": [{"question": "Q1?", "answers": "#
            + #"[{"text": "a", "idx": 1, "label": 0}, {"text": "b", "idx": 2, "label": 1}], "idx": 5}, "#
            + #"{"question": "Q2?", "answers": [{"text": "c", "idx": 3, "label": 1}], "idx": 6}]}}"#,
    ]

    private func read(_ task: String, _ text: String, isLabelled: Bool = true) throws -> TaskRows {
        let file = try TaskLines(path: "train.jsonl", bytes: Array(text.utf8))
        return try ObjectReader(task: try TaskDescription.named(task)).read(file, isLabelled: isLabelled)
    }

    @Test(arguments: [
        ("boolq", "is it so", "It -- is so.", 1, "0"),
        ("cb", "P.", "H.", 2, "1"),
        ("rte", "P.", "H.", 1, "1"),
        ("wic", "🙂 A *set*.", "*Sets*", 0, "2"),
        ("wsc", "Ann met  Eve, and *she* smiled.", "Ann", 1, "3"),
    ])
    func `gives the model its texts`(task: String, first: String, second: String, label: Int, id: String) throws {
        let row = TaskRows.Row(.text(TextPair(first: first, second: second)), label: .classIndex(label), id: [id])
        let line = try #require(Self.lines[task])
        #expect(try self.read(task, line + "\r\n").rows == [row])
    }

    @Test func `MultiRC has an example an answer, by question`() throws {
        let line = try #require(Self.lines["multirc"])
        let rows = try self.read("multirc", "\(line)\n\(line)\n").rows
        #expect(rows.map(\.reading.second) == ["Q1? a", "Q1? b", "Q2? c", "Q1? a", "Q1? b", "Q2? c"])
        #expect(rows.allSatisfy { $0.reading.first == "T." })
        #expect(rows.map(\.label) == [0, 1, 1, 0, 1, 1].map(Label.classIndex))
        #expect(rows.map(\.group) == [0, 0, 1, 2, 2, 3])
        #expect(rows[..<3].map(\.id) == [["6", "5", "1"], ["6", "5", "2"], ["6", "6", "3"]])
    }

    @Test func `BoolQ's first release calls the label answer`() throws {
        let rows = try self.read("boolq", #"{"question": "q", "title": "t", "answer": false, "passage": "p"}"#).rows
        #expect(rows.map(\.label) == [.classIndex(0)])
    }

    @Test func `a test file has no labels`() throws {
        let rows = try self.read("cb", #"{"premise": "P.", "hypothesis": "H.", "idx": 0}"#, isLabelled: false).rows
        #expect(rows == [TaskRows.Row(.text(TextPair(first: "P.", second: "H.")), id: ["0"])])
    }

    @Test(arguments: [
        ("boolq", #"{"question": "q", "passage": "p"}"#, ":1: has no label"),
        ("boolq", #"{"question": "q", "passage": "p", "label": "x"}"#, ":1: the label \"x\" is none of false, true"),
        ("cb", #"{"premise": "p"}"#, ":1: lacks \"hypothesis\""),
        ("cb", "{\"premise\": \"p\", \"hypothesis\": 3}", ":1: has something else than expected as \"hypothesis\""),
        ("rte", "\n", ": has no rows"),
        ("rte", "{\"premise\": ", ":1: is no JSON object"),
        (
            "wic",
            #"{"sentence1": "a", "sentence2": "b", "start1": 0, "end1": 2, "start2": 0, "end2": 1, "label": true}"#,
            ":1: the word's place lies outside"
        ),
        (
            "wsc", #"{"text": "A b", "target": {"span1_text": "A", "span2_index": 2}, "label": true}"#,
            ":1: the text has no word 2"
        ),
        (
            "multirc", #"{"passage": {"text": "", "questions": [{"question": "", "answers": [{"text": ""}]}]}}"#,
            ":1: an answer has no label"
        ),
    ])
    func `says line and what is wrong`(task: String, text: String, expected: String) throws {
        let error = try #require(throws: TaskFileError.self) { try self.read(task, text) }
        #expect(error.description.hasPrefix("train.jsonl\(expected)"), "\(error)")
    }

    @Test func `RTE's files may be GLUE's or SuperGLUE's`() throws {
        let line = try #require(Self.lines["rte"])
        try withFolder(["RTE/train.jsonl": line, "RTE/val.jsonl": line]) { folder in
            let files = try TaskFiles(task: try TaskDescription.named("rte"), folder: folder)
            let example = Example(first: "P.", second: "H.", label: .classIndex(1))
            #expect(try files.examples(.train) == [example])
            #expect(try files.examples(.dev) == [example])
        }
    }

    @Test(
        .enabled(if: sharedData != nil, "needs ../shared/data"),
        arguments: [
            ("boolq", 9427), ("rte", 2490), ("cb", 32), ("multirc", 154), ("wic", 32), ("wsc", 32),
        ]
    )
    func `reads every row of real files`(task: String, train: Int) throws {
        let folder = try #require(sharedData) + "/../superglue"
        let files = try TaskFiles(task: try TaskDescription.named(task), folder: folder)
        let examples = try files.examples(.train)
        #expect(examples.count == train)
        guard ["boolq", "rte"].contains(task) else { return }
        #expect(try files.examples(.dev).count == (task == "boolq" ? 3270 : 277))
        #expect(try files.texts(.test).count == (task == "boolq" ? 3245 : 3000))
        if task == "rte" {
            let tables = try TaskFiles(task: try TaskDescription.named(task), folder: try #require(sharedData))
            #expect(try tables.examples(.train) == examples)
        }
    }
}
