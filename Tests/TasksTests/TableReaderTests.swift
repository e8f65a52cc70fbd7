import Sweeps
import Testing

@testable import Tasks

/// GLUE's files with made-up rows; what any table has in common stands in `TaskFilesTests`.
@Suite struct TableReaderTests {
    private func files(_ task: String, _ folder: String) throws -> TaskFiles {
        try TaskFiles(task: try TaskDescription.named(task), folder: folder)
    }

    private static let mnliHeader =
        "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\t"
        + "sentence1_parse\tsentence2_parse\tsentence1\tsentence2\tlabel1\tgold_label"

    private static func mnli(_ rows: [(String, String, String)]) -> String {
        let lines = rows.enumerated().map { index, row in
            "\(index)\t-\t-\t-\t-\t-\t-\t-\t\(row.0)\t\(row.1)\tneutral\t\(row.2)"
        }
        return ([Self.mnliHeader] + lines).joined(separator: "\n") + "\n"
    }

    @Test func `MNLI has two dev sets, together or each its own task's`() throws {
        let files = [
            "MNLI/train.tsv": Self.mnli([("A.", "B.", "contradiction")]),
            "MNLI/dev_matched.tsv": Self.mnli([("C.", "D.", "neutral")]),
            "MNLI/dev_mismatched.tsv": Self.mnli([("E.", "F.", "entailment")]),
            "MNLI/test_matched.tsv": "index\tsentence1\tsentence2\n0\tG.\tH.\n",
            "MNLI/test_mismatched.tsv": "index\tsentence1\tsentence2\n0\tI.\tJ.\n",
        ]
        let train = Example(first: "A.", second: "B.", label: .classIndex(2))
        let matched = Example(first: "C.", second: "D.", label: .classIndex(1))
        var mismatched = Example(first: "E.", second: "F.", label: .classIndex(0))
        try withFolder(files) { folder in
            for (task, dev) in [("mnli-m", matched), ("MNLI-mm", mismatched)] {
                let files = try self.files(task, folder)
                #expect(try files.examples(.train) == [train])
                #expect(try files.examples(.dev) == [dev])
                #expect(try files.texts(.test).count == 1)
            }
            mismatched.group = 1
            let both = try self.files("mnli", folder)
            #expect(try both.examples(.train) == [train])
            #expect(try both.examples(.dev) == [matched, mismatched])
            #expect(try both.texts(.test).map(\.first) == ["G.", "I."])
        }
    }

    @Test func `QQP's rows that a line break cuts are left out and counted`() throws {
        let header = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate"
        let rows = "0\t1\t2\tWho?\tWhom?\t1\n1\t3\t4\tHow does one\nfind out?\tHow so?\t0\n2\t5\t6\tWhy \"x?\tWhy?\t0\n"
        let test = "id\tquestion1\tquestion2\n0\tWhere?\tWhere to?\n"
        try withFolder(["QQP/train.tsv": "\(header)\n\(rows)", "QQP/test.tsv": test]) { folder in
            let files = try self.files("qqp", folder)
            #expect(
                try files.examples(.train) == [
                    Example(first: "Who?", second: "Whom?", label: .classIndex(1)),
                    Example(first: "Why \"x?", second: "Why?", label: .classIndex(0)),
                ]
            )
            #expect(try files.shortLines(.train) == [3, 4])
            #expect(try files.texts(.test) == [TextPair(first: "Where?", second: "Where to?")])
        }
    }

    @Test func `a table of QQP's that lacks many columns is refused`() throws {
        let header = "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate"
        let text = header + String(repeating: "\n0\t1\t2\tWho?", count: 101)
        try withFolder(["QQP/train.tsv": text]) { folder in
            let error = try #require(throws: TaskFileError.self) { try self.files("qqp", folder).examples(.train) }
            #expect(error.description.hasSuffix(":102: has 4 columns, not 6; is the file complete?"))
        }
    }

    @Test func `QNLI has questions and sentences, WNLI two sentences`() throws {
        let files = [
            "QNLI/dev.tsv": "index\tquestion\tsentence\tlabel\n0\tWhen?\tIt was then.\tnot_entailment\n",
            "WNLI/dev.tsv": "index\tsentence1\tsentence2\tlabel\n0\tA.\tB.\t1\n",
        ]
        try withFolder(files) { folder in
            let question = Example(first: "When?", second: "It was then.", label: .classIndex(1))
            let qnli = try self.files("qnli", folder)
            #expect(try qnli.examples(.dev) == [question])
            let sentences = Example(first: "A.", second: "B.", label: .classIndex(1))
            let wnli = try self.files("wnli", folder)
            #expect(try wnli.examples(.dev) == [sentences])
        }
    }
}
