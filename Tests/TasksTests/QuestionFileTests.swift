import Sweeps
import Testing

@testable import Tasks

@Suite struct QuestionFileTests {
    static let first =
        #"{"version": "1.1", "data": [{"title": "T", "paragraphs": [{"context": "🙂 Ann met Eve.", "#
        + #""qas": [{"id": "1", "question": "Who?", "answers": [{"text": "Ann", "answer_start": 2}, "#
        + #"{"text": "Ann met Eve", "answer_start": 2}]}]}]}]}"#
    static let second =
        #"{"version": "v2.0", "data": [{"paragraphs": [{"context": "Ann met Eve.", "qas": [{"id": "1", "#
        + #""question": "Who?", "answers": [{"text": "Eve", "answer_start": 8}], "is_impossible": false}, "#
        + #"{"id": "2", "question": "Why?", "answers": [], "plausible_answers": [], "is_impossible": true}]}]}]}"#

    private func read(_ text: String) throws -> QuestionFile {
        try QuestionFile(path: "train.json", bytes: Array(text.utf8))
    }

    @Test func `reads several answers, whose places count Unicode scalars`() throws {
        let file = try self.read(Self.first)
        #expect(file.rules == .squad1)
        let answers = [
            Question.Answer(text: "Ann", place: 2..<5), Question.Answer(text: "Ann met Eve", place: 2..<13),
        ]
        let question = Question(id: "1", question: "Who?", context: "🙂 Ann met Eve.", answers: answers)
        #expect(file.questions == [question])
    }

    @Test func `2.0 has questions without an answer`() throws {
        let file = try self.read(Self.second)
        #expect(file.rules == .squad2)
        #expect(file.questions.map(\.answers.count) == [1, 0])
    }

    @Test(arguments: [
        ("{\"data\": []}", "has no questions"),
        ("[", "is no JSON object"),
        ("{\"data\": [{\"paragraphs\": [{\"qas\": []}]}]}", "lacks \"data.0.paragraphs.0.context\""),
        (
            first.replacing("\"Ann\", \"answer_start\": 2", with: "\"Ann\", \"answer_start\": 3"),
            "question 1: \"Ann\" is not at 3"
        ),
        (
            first.replacing("\"Ann\", \"answer_start\": 2", with: "\"Ann\", \"answer_start\": -1"),
            "question 1: \"Ann\" is not at -1"
        ),
        (second.replacing("\"id\": \"2\"", with: "\"id\": \"1\""), "has question 1 twice"),
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
        let file = try QuestionFile(path: try #require(sharedData) + "/../squad/\(name).json")
        #expect(file.questions.count == count)
        #expect(file.rules == .squad1)
        let answers = file.questions.map { (prediction: $0.answers[0].text, gold: $0.answers.map(\.text)) }
        #expect(answerScore(answers, file.rules) == [.f1: 1, .exactMatch: 1, .combined: 1])
    }
}
