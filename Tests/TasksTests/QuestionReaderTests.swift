import Sweeps
import Testing

@testable import Tasks

@Suite struct QuestionReaderTests {
    static let first =
        #"{"version": "1.1", "data": [{"title": "T", "paragraphs": [{"context": "🙂 Ann met Eve.", "#
        + #""qas": [{"id": "1", "question": "Who?", "answers": [{"text": "Ann", "answer_start": 2}, "#
        + #"{"text": "Ann met Eve", "answer_start": 2}]}]}]}]}"#
    static let second =
        #"{"version": "v2.0", "data": [{"paragraphs": [{"context": "Ann met Eve.", "qas": [{"id": "1", "#
        + #""question": "Who?", "answers": [{"text": "Eve", "answer_start": 8}], "is_impossible": false}, "#
        + #"{"id": "2", "question": "Why?", "answers": [], "plausible_answers": [], "is_impossible": true}]}]}]}"#

    private func read(_ text: String, _ task: String = "squad") throws -> [TaskRows.Row] {
        let reader = QuestionReader(task: try TaskDescription.named(task))
        return try reader.read(path: "train.json", bytes: Array(text.utf8), isLabelled: true).rows
    }

    @Test func `reads several answers, whose places count Unicode scalars`() throws {
        let answers = [Answer(text: "Ann", place: 2..<5), Answer(text: "Ann met Eve", place: 2..<13)]
        let row = TaskRows.Row(.question("Who?", context: "🙂 Ann met Eve."), label: .answers(answers), id: ["1"])
        #expect(try self.read(Self.first) == [row])
    }

    @Test func `2.0 has questions without an answer`() throws {
        let answers = [[Answer(text: "Eve", place: 8..<11)], []]
        #expect(try self.read(Self.second, "squad-2").map(\.label) == answers.map(Label.answers))
        #expect(throws: TaskFileError.self) { try self.read(Self.second) }
    }

    @Test(arguments: [
        ("{\"data\": []}", "has no questions"),
        ("[", "is no JSON object"),
        ("{\"data\": [{\"paragraphs\": [{\"qas\": []}]}]}", "lacks \"data.0.paragraphs.0.context\""),
        (
            first.replacing("\"Ann\", \"answer_start\": 2", with: "\"Ann\", \"answer_start\": 3"),
            "question 1 has \"Ann\" not at 3"
        ),
        (
            first.replacing("\"Ann\", \"answer_start\": 2", with: "\"Ann\", \"answer_start\": -1"),
            "question 1 has \"Ann\" not at -1"
        ),
        (second.replacing("\"id\": \"2\"", with: "\"id\": \"1\""), "question 1 is there twice"),
    ])
    func `says what is wrong`(text: String, expected: String) throws {
        let error = try #require(throws: TaskFileError.self) { try self.read(text) }
        #expect(error.description.hasPrefix("train.json: \(expected)"), "\(error)")
    }

    /// Goal: every gold answer scores full marks against itself.
    @Test(
        .enabled(if: sharedData != nil, "needs ../shared/data"),
        arguments: [("train-v1.1.subset44", 11877), ("dev-v1.1.xquad-en", 1190)]
    )
    func `reads every question of real files`(name: String, count: Int) throws {
        let (path, task) = (try #require(sharedData) + "/../squad/\(name).json", try TaskDescription.named("squad"))
        let rows = try QuestionReader(task: task).read(path: path, bytes: try TaskLines.bytes(path), isLabelled: true)
            .rows
        #expect(rows.count == count)
        let answers = rows.compactMap(\.label)
        #expect(score(answers, against: answers, for: task) == [.f1: 1, .exactMatch: 1, .combined: 1])
    }
}
