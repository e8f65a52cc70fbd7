import Foundation
import Sweeps
import Testing

@testable import Tasks

/// Predictions in the forms of the benchmarks' servers.
@Suite struct SubmissionTests {
    private func submission(_ task: String, _ files: [String: String], _ labels: [Label]) throws -> [String: String] {
        try withFolder(files) { folder in
            let files = try TaskFiles(task: try TaskDescription.named(task), folder: folder)
            #expect(try files.unlabelled().count == labels.count)
            return try files.submission(labels)
        }
    }

    @Test func `GLUE's are tables of index and prediction`() throws {
        let rte = "index\tsentence1\tsentence2\n0\tA.\tB.\n1\tC.\tD.\n"
        #expect(
            try self.submission("rte", ["test.tsv": rte], [.classIndex(1), .classIndex(0)])
                == ["RTE.tsv": "index\tprediction\n0\tnot_entailment\n1\tentailment\n"]
        )
        #expect(
            try self.submission("sts-b", ["test.tsv": rte], [.score(5.5), .score(2.25)])
                == ["STS-B.tsv": "index\tprediction\n0\t5.0\n1\t2.25\n"]
        )
        let mnli = ["test_matched.tsv": rte, "test_mismatched.tsv": "index\tsentence1\tsentence2\n0\tE.\tF.\n"]
        #expect(
            try self.submission("mnli", mnli, [.classIndex(0), .classIndex(1), .classIndex(2)]) == [
                "MNLI-m.tsv": "index\tprediction\n0\tentailment\n1\tneutral\n",
                "MNLI-mm.tsv": "index\tprediction\n0\tcontradiction\n",
            ]
        )
    }

    @Test(arguments: [
        ("boolq", ObjectReaderTests.lines["boolq"], [Label.classIndex(1)], #"{"idx":0,"label":"true"}"#),
        ("cb", ObjectReaderTests.lines["cb"], [.classIndex(2)], #"{"idx":1,"label":"neutral"}"#),
        ("wsc", ObjectReaderTests.lines["wsc"], [.classIndex(0)], #"{"idx":3,"label":"False"}"#),
        ("copa", CandidateReaderTests.copa, [.answers([Answer(text: "It flew.")])], #"{"idx":1,"label":1}"#),
        ("record", CandidateReaderTests.record, [.answers([Answer(text: "Eve")])], #"{"idx":3,"label":"Eve"}"#),
        (
            "multirc", ObjectReaderTests.lines["multirc"], [.classIndex(0), .classIndex(1), .classIndex(1)],
            #"{"idx":6,"passage":{"questions":[{"answers":[{"idx":1,"label":0},{"idx":2,"label":1}],"idx":5},"#
                + #"{"answers":[{"idx":3,"label":1}],"idx":6}]}}"#
        ),
    ])
    func `SuperGLUE's are objects`(task: String, line: String?, labels: [Label], expected: String) throws {
        let files = try self.submission(task, ["test.jsonl": try #require(line)], labels)
        #expect(files == ["\(try TaskDescription.named(task).title).jsonl": expected + "\n"])
    }

    @Test func `SQuAD's are one object from ids to answers`() throws {
        let labels: [Label] = [.answers([Answer(text: "a \"b\" 🙂")]), .answers([])]
        let files = try self.submission("squad-2", ["dev-v2.0.json": QuestionReaderTests.second], labels)
        let object = try JSONDecoder().decode(
            [String: String].self,
            from: Data(try #require(files["predictions.json"]).utf8)
        )
        #expect(object == ["1": "a \"b\" 🙂", "2": ""])
    }
}
