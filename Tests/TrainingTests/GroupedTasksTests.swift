import Foundation
import Sweeps
import Testing
import Training

/// Tasks that are scored by groups of examples.
@Suite struct GroupedTasksTests {
    private static func write(_ files: [String: String], into folder: String) throws {
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for (name, text) in files { try Data(text.utf8).write(to: URL(filePath: "\(folder)/\(name)")) }
    }

    private static func mnli(_ count: Int, _ label: String) -> String {
        let rows = (0..<count).map { "\($0)\tthe story was \($0 % 2 == 0 ? "dull" : "warm")\tso it was\t\(label)" }
        return (["index\tsentence1\tsentence2\tgold_label"] + rows).joined(separator: "\n")
    }

    /// Goal: one model is scored on both of MNLI's dev sets. Method: it learns the only label of train, which is that
    /// of one dev set and not of the other.
    @Test func `MNLI is scored on both dev sets`() throws {
        let shard = try SmallShard()
        let files = [
            "train.tsv": Self.mnli(40, "neutral"), "dev_matched.tsv": Self.mnli(6, "neutral"),
            "dev_mismatched.tsv": Self.mnli(4, "entailment"),
        ]
        try Self.write(files, into: shard.folder + "/MNLI")
        let order = try shard.order(method: "full", task: "mnli", ["protocol": .text("fullDev")])
        let (result, _) = try shard.train(order, name: "mnli")
        #expect(result.scored.samples == 10)
        #expect(result.scored.metrics == [.matched: 1, .mismatched: 0, .combined: 0.5])
    }

    /// Goal: MultiRC's exact match goes by question. Method: all answers are learned to be right; one of two
    /// questions has a wrong one.
    @Test func `MultiRC is scored by question`() throws {
        let shard = try SmallShard()
        func line(_ labels: [[Int]]) -> String {
            let questions = labels.map { labels in
                let answers = labels.map { #"{"text": "warm", "label": \#($0)}"# }.joined(separator: ", ")
                return #"{"question": "was it", "answers": [\#(answers)]}"#
            }
            return #"{"passage": {"text": "the story", "questions": [\#(questions.joined(separator: ", "))]}}"#
        }
        let files = [
            "train.jsonl": line([[Int]](repeating: [1, 1], count: 20)), "val.jsonl": line([[1, 1], [1, 0, 1]]),
        ]
        try Self.write(files, into: shard.folder + "/MultiRC")
        let order = try shard.order(method: "full", task: "multirc", ["protocol": .text("fullDev")])
        let (result, _) = try shard.train(order, name: "multirc")
        #expect(result.scored.samples == 5)
        #expect(result.scored.metrics[.exactMatch] == 0.5)
        #expect(abs(try #require(result.scored.metrics[.f1]) - 8.0 / 9) < 1e-12)
    }
}
