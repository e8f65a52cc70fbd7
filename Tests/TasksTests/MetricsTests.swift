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
            var matthews: Double
        }

        struct Scores: Decodable {
            var predictions: [Float]
            var labels: [Float]
            var pearson: Double?
            var spearman: Double?
        }

        var classes: [Classes]
        var scores: [Scores]
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
        for item in cases {
            let (predictions, labels) = (item.predictions.map(Label.classIndex), item.labels.map(Label.classIndex))
            let values = score(predictions, against: labels, for: cola)
            #expect(abs(try #require(values[.accuracy]) - item.accuracy) < 1e-12)
            #expect(abs(try #require(values[.matthews]) - item.matthews) < 1e-12, "\(item)")
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
