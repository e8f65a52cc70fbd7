import Sweeps
import Testing

@testable import Tasks

@Suite struct CandidateReaderTests {
    static let copa =
        #"{"premise": "It fell.", "choice1": "It broke.", "choice2": "It flew.", "question": "effect", "#
        + #""label": 0, "idx": 1}"#
    static let record =
        #"{"source": "s", "passage": {"text": "🙂 Ann met Eve.\n@highlight\nEve left", "entities": "#
        + #"[{"start": 26, "end": 28}, {"start": 2, "end": 4}, {"start": 10, "end": 12}]}, "qas": [{"query": "#
        + #""@placeholder is gone", "answers": [{"start": 26, "end": 28, "text": "Eve"}], "idx": 3}], "idx": 2}"#

    private func read(_ task: String, _ text: String, isLabelled: Bool = true) throws -> [TaskRows.Row] {
        let file = try TaskLines(path: "train.jsonl", bytes: Array(text.utf8))
        return try ObjectReader(task: try TaskDescription.named(task)).read(file, isLabelled: isLabelled).rows
    }

    private func candidates(_ row: TaskRows.Row) throws -> [Candidate] {
        guard case .candidates(let candidates) = row.reading else {
            throw TaskFileError("", "\(row.reading) has no candidates")
        }
        return candidates
    }

    @Test func `COPA asks for a cause or a result`() throws {
        let text = Self.copa + "\n" + Self.copa.replacing("effect", with: "cause").replacing("0", with: "1")
        let rows = try self.read("copa", text)
        #expect(rows.map(\.label) == ["It broke.", "It flew."].map { .answers([Answer(text: $0)]) })
        #expect(try self.candidates(rows[0]).map(\.name) == ["It broke.", "It flew."])
        #expect(rows[0].reading.texts.map(\.second) == ["It broke.", "It flew."])
        #expect(rows[0].reading.texts.allSatisfy { $0.first == "It fell. What happened as a result?" })
        #expect(rows[1].reading.first == "It fell. What was the cause of this?")
        #expect(try self.read("copa", Self.copa, isLabelled: false)[0].label == nil)
    }

    @Test func `ReCoRD's candidates are the entities, each once`() throws {
        let row = try #require(try self.read("record", Self.record).first)
        #expect(try self.candidates(row).map(\.name) == ["Ann", "Eve"])
        #expect(row.label == .answers([Answer(text: "Eve")]))
        let passage = "🙂 Ann met Eve.\n- Eve left"
        #expect(
            row.reading.texts == [
                TextPair(first: passage, second: "Ann is gone"), TextPair(first: passage, second: "Eve is gone"),
            ]
        )
    }

    @Test func `scores are accuracy, and F1 and exact match of the chosen texts`() throws {
        func answers(_ texts: [String]) -> [Label] { texts.map { .answers([Answer(text: $0)]) } }
        let copa = try TaskDescription.named("copa")
        #expect(score(answers(["a", "b"]), against: answers(["a", "a"]), for: copa) == [.accuracy: 0.5])
        let record = try TaskDescription.named("record")
        let values = score(
            answers(["the Eve", "Eve Smith", "Ann"]),
            against: answers(["Eve", "Eve", "Eve"]),
            for: record
        )
        #expect(abs(try #require(values[.f1]) - 5.0 / 9) < 1e-12)
        #expect(values[.exactMatch] == 1.0 / 3)
        let second = try TaskDescription.named("squad-2")
        #expect(score([.answers([])], against: [.answers([])], for: second)[.f1] == 1)
    }

    @Test(arguments: [
        ("copa", copa.replacing("effect", with: "why"), ":1: the question \"why\" is neither"),
        ("copa", copa.replacing("\"label\": 0", with: "\"label\": 2"), ":1: the label 2 is neither"),
        ("copa", copa.replacing("\"label\": 0, ", with: ""), ":1: has no label"),
        ("copa", copa.replacing("flew", with: "broke"), ":1: both choices are the same"),
        ("copa", "", ": has no rows"),
        ("record", record.replacing("\"end\": 12", with: "\"end\": 35"), ":1: the entity 10...35 lies outside"),
        ("record", record.replacing("@placeholder", with: "x"), ":1: a query has no @placeholder"),
        ("record", #"{"passage": {"text": "", "entities": []}, "qas": []}"#, ":1: has 0 entities"),
    ])
    func `says line and what is wrong`(task: String, text: String, expected: String) throws {
        let error = try #require(throws: TaskFileError.self) { try self.read(task, text) }
        #expect(error.description.hasPrefix("train.jsonl\(expected)"), "\(error)")
    }

    @Test(.enabled(if: sharedData != nil, "needs ../shared/data"), arguments: [("copa", "COPA"), ("record", "ReCoRD")])
    func `reads every row of real files`(task: String, folder: String) throws {
        let description = try TaskDescription.named(task)
        let files = try TaskFiles(task: description, folder: try #require(sharedData) + "/../superglue")
        let examples = try files.examples(.train)
        #expect(examples.count == 32)
        // Choosing a right candidate is all that is asked for.
        let right = try examples.map { example -> Label in
            guard case .candidates(let candidates) = example.reading, case .answers(let answers) = example.label else {
                throw TaskFileError(folder, "has no candidates")
            }
            let name = try #require(candidates.first { one in answers.contains { $0.text == one.name } }?.name)
            return .answers([Answer(text: name)])
        }
        #expect(score(right, against: examples.map(\.label), for: description).values.allSatisfy { $0 == 1 })
    }
}
