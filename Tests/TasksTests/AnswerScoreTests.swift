import Foundation
import Sweeps
import Testing

@testable import Tasks

@Suite struct AnswerScoreTests {
    private struct Golden: Decodable {
        struct Values: Decodable {
            var f1: Double
            var exactMatch: Double
        }

        struct Case: Decodable {
            var prediction: String
            var gold: [String]
            var first: Values?
            var second: Values
        }

        var answers: [Case]
    }

    /// Made by `Tests/Reference/make_answers_golden.py`; SQuAD 1.1's values have the precision of a Float.
    @Test func `F1 and exact match are the published scorers'`() throws {
        let folder = URL(filePath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
        let file = try Data(contentsOf: folder.appending(path: "Golden/answers.json"))
        let cases = try JSONDecoder().decode(Golden.self, from: file).answers
        #expect(cases.count >= 40)
        for item in cases {
            for (rules, expected) in [(AnswerRules.squad1, item.first), (.squad2, item.second)] {
                guard let expected else { continue }
                let values = answerScore([(item.prediction, item.gold)], rules)
                #expect(abs(try #require(values[.f1]) - expected.f1) < 1e-6, "\(item)")
                #expect(values[.exactMatch] == expected.exactMatch, "\(item)")
            }
        }
    }

    @Test func `only SQuAD 2.0 knows the empty answer`() {
        #expect(answerScore([("The", ["a"])], .squad1) == [.f1: 0, .exactMatch: 1, .combined: 0.5])
        #expect(answerScore([("", [])], .squad1) == [.f1: 0, .exactMatch: 0, .combined: 0])
        #expect(answerScore([("", []), ("x", [])], .squad2) == [.f1: 0.5, .exactMatch: 0.5, .combined: 0.5])
    }

    @Test func `no answers have no score`() {
        #expect(answerScore([], .squad1)[.f1]?.isNaN == true)
    }
}
