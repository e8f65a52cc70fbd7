import Sweeps
import Testing

@testable import Tasks

@Suite struct CandidateTaskTests {
    static let copa =
        #"{"premise": "It fell.", "choice1": "It broke.", "choice2": "It flew.", "question": "effect", "#
        + #""label": 0, "idx": 1}"#
    static let record =
        #"{"source": "s", "passage": {"text": "🙂 Ann met Eve.\n@highlight\nEve left", "entities": "#
        + #"[{"start": 26, "end": 28}, {"start": 2, "end": 4}, {"start": 10, "end": 12}]}, "qas": [{"query": "#
        + #""@placeholder is gone", "answers": [{"start": 26, "end": 28, "text": "Eve"}], "idx": 3}], "idx": 2}"#

    private func read(_ task: CandidateTask, _ text: String, isLabelled: Bool = true) throws -> [CandidateExample] {
        try task.examples(try TaskLines(path: "train.jsonl", bytes: Array(text.utf8)), isLabelled: isLabelled)
    }

    @Test func `COPA asks for a cause or a result`() throws {
        let text = Self.copa + "\n" + Self.copa.replacing("effect", with: "cause").replacing("0", with: "1")
        let examples = try self.read(.copa, text)
        #expect(examples.map(\.correct) == [[0], [1]])
        #expect(examples[0].texts.map(\.second) == ["It broke.", "It flew."])
        #expect(examples[0].texts.allSatisfy { $0.first == "It fell. What happened as a result?" })
        #expect(examples[1].texts[0].first == "It fell. What was the cause of this?")
        #expect(try self.read(.copa, Self.copa, isLabelled: false)[0].correct == [])
    }

    @Test func `ReCoRD's candidates are the entities, each once`() throws {
        let example = try #require(try self.read(.record, Self.record).first)
        #expect(example.names == ["Ann", "Eve"])
        #expect(example.correct == [1])
        let passage = "🙂 Ann met Eve.\n- Eve left"
        #expect(
            example.texts == [
                TextPair(first: passage, second: "Ann is gone"), TextPair(first: passage, second: "Eve is gone"),
            ]
        )
    }

    @Test func `scores are accuracy, and F1 and exact match of the chosen texts`() throws {
        let choices = try self.read(.copa, "\(Self.copa)\n\(Self.copa)")
        #expect(CandidateTask.copa.score([0, 1], of: choices) == [.accuracy: 0.5])
        let example = CandidateExample(texts: [], names: ["the Eve", "Eve Smith", "Ann"], answers: ["Eve"])
        let values = CandidateTask.record.score([0, 1, 2], of: [example, example, example])
        let (f1, exact) = (5.0 / 9, 1.0 / 3)
        #expect(abs(try #require(values[.f1]) - f1) < 1e-12)
        #expect(values[.exactMatch] == exact)
    }

    @Test(arguments: [
        (CandidateTask.copa, copa.replacing("effect", with: "why"), ":1: the question \"why\" is neither"),
        (.copa, copa.replacing("\"label\": 0", with: "\"label\": 2"), ":1: the label 2 is neither"),
        (.copa, copa.replacing("\"label\": 0, ", with: ""), ":1: has no label"),
        (.copa, copa.replacing("flew", with: "broke"), ":1: both choices are the same"),
        (.copa, "", ": has no rows"),
        (.record, record.replacing("\"end\": 12", with: "\"end\": 35"), ":1: the entity 10...35 lies outside"),
        (.record, record.replacing("@placeholder", with: "x"), ":1: a query has no @placeholder"),
        (.record, #"{"passage": {"text": "", "entities": []}, "qas": []}"#, ":1: has 0 entities"),
    ])
    func `says line and what is wrong`(task: CandidateTask, text: String, expected: String) throws {
        let error = try #require(throws: TaskFileError.self) { try self.read(task, text) }
        #expect(error.description.hasPrefix("train.jsonl\(expected)"), "\(error)")
    }

    @Test(
        .enabled(if: sharedData != nil, "needs ../shared/data"),
        arguments: [(CandidateTask.copa, "COPA"), (.record, "ReCoRD")]
    )
    func `reads every row of real files`(task: CandidateTask, folder: String) throws {
        let path = try #require(sharedData) + "/../superglue/\(folder)/train.jsonl"
        let examples = try task.examples(path: path, isLabelled: true)
        #expect(examples.count == 32)
        // Choosing a right candidate is all that is asked for.
        let right = try examples.map { try #require($0.correct.first) }
        #expect(task.score(right, of: examples).values.allSatisfy { $0 == 1 })
    }
}
