import Foundation
import Sweeps
import Testing

@testable import Tasks

@Suite struct MetricsTests {
    struct Golden: Decodable {
        struct Classes: Decodable {
            var predictions: [Int]
            var labels: [Int]
            var accuracy: Double
            var f1: Double?
            var macroF1: Double
            var matthews: Double
        }

        struct Scores: Decodable {
            var predictions: [Float]
            var labels: [Float]
            var pearson: Double?
            var spearman: Double?
        }

        struct Questions: Decodable {
            var predictions: [Int]
            var labels: [Int]
            var questions: [Int]
            var f1: Double
            var exactMatch: Double
        }

        var classes: [Classes]
        var scores: [Scores]
        var questions: [Questions]
    }

    /// Made by `Tests/Reference/make_metrics_golden.py`.
    private func golden() throws -> Golden {
        let folder = URL(filePath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
        return try JSONDecoder().decode(
            Golden.self,
            from: Data(contentsOf: folder.appending(path: "Golden/metrics.json"))
        )
    }

    @Test func `measures of classes are scikit-learn's`() throws {
        let cases = try self.golden().classes
        #expect(cases.count >= 10)
        let (cola, mrpc) = (try TaskDescription.named("cola"), try TaskDescription.named("mrpc"))
        let cb = try TaskDescription.named("cb")
        for item in cases {
            let (predictions, labels) = (item.predictions.map(Label.classIndex), item.labels.map(Label.classIndex))
            let values = score(predictions, against: labels, for: cola)
            #expect(abs(try #require(values[.accuracy]) - item.accuracy) < 1e-12)
            #expect(abs(try #require(values[.matthews]) - item.matthews) < 1e-12, "\(item)")
            let ofCB = score(predictions, against: labels, for: cb)
            #expect(abs(try #require(ofCB[.macroF1]) - item.macroF1) < 1e-12, "\(item)")
            #expect(abs(try #require(ofCB[.combined]) - (item.macroF1 + item.accuracy) / 2) < 1e-12)
            guard let f1 = item.f1 else { continue }
            let paired = score(predictions, against: labels, for: mrpc)
            #expect(abs(try #require(paired[.f1]) - f1) < 1e-12, "\(item)")
            #expect(abs(try #require(paired[.combined]) - (f1 + item.accuracy) / 2) < 1e-12)
        }
    }

    @Test func `correlations are SciPy's`() throws {
        let cases = try self.golden().scores
        #expect(cases.count >= 9)
        let task = try TaskDescription.named("sts-b")
        for item in cases {
            let values = score(item.predictions.map(Label.score), against: item.labels.map(Label.score), for: task)
            let (pearson, spearman) = (try #require(values[.pearson]), try #require(values[.spearman]))
            let combined = try #require(values[.combined])
            guard let expectedPearson = item.pearson, let expectedSpearman = item.spearman else {
                #expect(pearson.isNaN && spearman.isNaN && combined.isNaN)
                continue
            }
            #expect(abs(pearson - expectedPearson) < 1e-10, "\(item)")
            #expect(abs(spearman - expectedSpearman) < 1e-10, "\(item)")
            #expect(abs(combined - (expectedPearson + expectedSpearman) / 2) < 1e-10)
        }
    }

    @Test func `MultiRC is scored over answers and over questions`() throws {
        let cases = try self.golden().questions
        #expect(cases.count >= 3)
        let task = try TaskDescription.named("multirc")
        for item in cases {
            let values = score(
                item.predictions.map(Label.classIndex),
                against: item.labels.map(Label.classIndex),
                groups: item.questions,
                for: task
            )
            #expect(abs(try #require(values[.f1]) - item.f1) < 1e-12, "\(item)")
            #expect(abs(try #require(values[.exactMatch]) - item.exactMatch) < 1e-12, "\(item)")
        }
    }

    @Test func `MNLI has an accuracy for each of its dev sets, and their mean`() throws {
        let labels = [0, 1, 2, 0, 1].map(Label.classIndex)
        let task = try TaskDescription.named("mnli")
        let values = score(
            [0, 1, 0, 0, 2].map(Label.classIndex),
            against: labels,
            groups: [0, 0, 0, 1, 1],
            for: task
        )
        #expect(values == [.matched: 2.0 / 3, .mismatched: 0.5, .combined: (2.0 / 3 + 0.5) / 2])
        let one = score(labels, against: labels, for: task)
        #expect(one[.matched] == 1 && one[.mismatched]?.isNaN == true && one[.combined]?.isNaN == true)
    }

    @Test func `a task with one measure has no combined one`() throws {
        let values = score([.classIndex(1)], against: [.classIndex(0)], for: try TaskDescription.named("rte"))
        #expect(values == [.accuracy: 0])
    }

    @Test func `equal values share the mean of their ranks`() {
        #expect(averageRanks([3, 1, 3, 2, 3]) == [4, 1, 4, 2, 4])
        #expect(averageRanks([]) == [])
    }

    @Test func `predictions that are no numbers have no correlation`() {
        #expect(pearson([.nan, 1, 2], [1, 2, 3]).isNaN)
        #expect(pearson(averageRanks([.nan, 1, 2]), averageRanks([1, 2, 3])).isNaN)
        #expect(pearson([1], [1]).isNaN)
        #expect(accuracy([], []).isNaN)
    }
}
