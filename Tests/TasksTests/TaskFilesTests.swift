import Foundation
import Sweeps
import Testing

@testable import Tasks

@Suite struct TaskFilesTests {
    static let rte = "index\tsentence1\tsentence2\tlabel\n0\tA b.\tC.\tentailment\n1\tD \"e.\tF.\tnot_entailment\n"

    private func files(_ task: String, _ folder: String) throws -> TaskFiles {
        try TaskFiles(task: try TaskDescription.named(task), folder: folder)
    }

    @Test func `takes the archives' folder and the task's own`() throws {
        try withFolder(["RTE/train.tsv": Self.rte]) { folder in
            let outer = try self.files("rte", folder).examples(.train)
            let inner = try self.files("rte", "\(folder)/RTE").examples(.train)
            #expect(outer == inner)
            #expect(outer[0] == Example(first: "A b.", second: "C.", label: .classIndex(0)))
            #expect(outer[1] == Example(first: "D \"e.", second: "F.", label: .classIndex(1)))
        }
    }

    @Test func `CoLA has no header in train and dev, but one in test`() throws {
        let files = [
            "train.tsv": "gj04\t1\t\tBill sings.\ngj04\t0\t*\tBill sing.\n", "test.tsv": "index\tsentence\n0\tA \"b.\n",
        ]
        try withFolder(files) { folder in
            let files = try self.files("cola", folder)
            #expect(
                try files.examples(.train) == [
                    Example(first: "Bill sings.", label: .classIndex(1)),
                    Example(first: "Bill sing.", label: .classIndex(0)),
                ]
            )
            #expect(try files.texts(.test) == [TextPair(first: "A \"b.")])
            #expect(try files.texts(.train).count == 2)
        }
    }

    @Test func `MRPC's byte-order mark and carriage returns are no part of any cell`() throws {
        let train = "\u{feff}Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n1\t7\t8\tOne.\tTwo.\r\n"
        let test = "index\t#1 ID\t#2 ID\t#1 String\t#2 String\n0\t7\t8\tThree.\tFour.\n"
        try withFolder(["MRPC/train.tsv": train, "MRPC/test.tsv": test]) { folder in
            let files = try self.files("mrpc", folder)
            #expect(try files.examples(.train) == [Example(first: "One.", second: "Two.", label: .classIndex(1))])
            #expect(try files.texts(.test) == [TextPair(first: "Three.", second: "Four.")])
        }
    }

    @Test func `scores are numbers, and columns may follow`() throws {
        let header = "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore"
        let row = "0\tg\tf\ty\to\ts\ts\tA plane.\tA jet.\t4.250\textra"
        try withFolder(["STS-B/dev.tsv": "\(header)\n\(row)\n"]) { folder in
            let examples = try self.files("STS-B", folder).examples(.dev)
            #expect(examples == [Example(first: "A plane.", second: "A jet.", label: .score(4.25))])
        }
    }

    @Test(arguments: ["sst-2", "movie-reviews", "offline"])
    func `sentences stay as they are`(task: String) throws {
        try withFolder(["train.tsv": "sentence\tlabel\nso  \"good\" \t1\n\u{e9}\t0"]) { folder in
            let examples = try self.files(task, folder).examples(.train)
            #expect(examples.map(\.first) == ["so  \"good\" ", "\u{e9}"])
            #expect(examples.map(\.second) == [nil, nil])
        }
    }

    @Test func `malformed UTF-8 becomes replacement characters`() throws {
        let data = Data("sentence\tlabel\na".utf8) + [0xFF, 0xC3] + Data("b\t1\n".utf8)
        try withFolder(["train.tsv": data]) { folder in
            let examples = try self.files("sst-2", folder).examples(.train)
            #expect(examples[0].first == "a\u{fffd}\u{fffd}b")
        }
    }

    @Test(arguments: [
        ("rte", "index\tsentence1\tsentence2\tlabel\n0\tA.\tB.\tentailment\n1\tC.\tD.\n", ":3: has 3 columns, not 4"),
        (
            "rte", "index\tsentence1\tsentence2\tlabel\n0\tA.\tB.\tyes\n",
            ":2: the label \"yes\" is none of entailment, "
        ),
        ("rte", "sentence\tlabel\nA\t1\n", ":1: has no column \"sentence1\" (it has: sentence, label)"),
        ("rte", "", ": is empty"),
        ("rte", "index\tsentence1\tsentence2\tlabel\n\n", ": has no rows"),
        ("cola", "gj04\t1\t\tA.\n\ngj04\t1\t\tB.\n", ":2: has 1 columns, not 4"),
        ("sst-2", "sentence\tlabel\n\(String(repeating: "x", count: 1 << 20))\t1\n", ":2: has 1048578 bytes, longer"),
    ])
    func `says file, line and what is wrong`(task: String, text: String, expected: String) throws {
        try withFolder(["train.tsv": text]) { folder in
            let error = try #require(throws: TaskFileError.self) { try self.files(task, folder).examples(.train) }
            #expect(error.description.hasPrefix("\(folder)/train.tsv\(expected)"), "\(error)")
        }
    }

    @Test func `a score that is none is refused`() throws {
        try withFolder(["train.tsv": "sentence1\tsentence2\tscore\na\tb\tnan\n"]) { folder in
            let error = try #require(throws: TaskFileError.self) { try self.files("sts-b", folder).examples(.train) }
            #expect(error.description.contains(":2: the label \"nan\" is no number"))
        }
    }

    @Test func `a missing file or folder is named`() throws {
        try withFolder(["RTE/train.tsv": Self.rte]) { folder in
            let missing = try #require(throws: TaskFileError.self) { try self.files("rte", folder).examples(.dev) }
            #expect(missing.path == "\(folder)/RTE/dev.tsv")
            #expect(missing.description.contains("cannot be read"))
            let other = try #require(throws: TaskFileError.self) { try self.files("mrpc", folder) }
            #expect(other.description.hasPrefix("\(folder)/MRPC: has no train.tsv"))
            let unlabelled = "index\tsentence1\tsentence2\n0\tA.\tB.\n"
            try Data(unlabelled.utf8).write(to: URL(filePath: "\(folder)/RTE/test.tsv"))
            let test = try #require(throws: TaskFileError.self) { try self.files("rte", folder).examples(.test) }
            #expect(test.description.contains("has no labels"))
        }
    }

    @Test(
        .enabled(if: sharedData != nil, "needs ../shared/data/glue"),
        arguments: [
            ("rte", 2490, 277, 3000), ("cola", 8551, 1043, 1063), ("sts-b", 5749, 1500, 1379),
            ("sst-2", 67349, 872, 1821), ("wnli", 635, 71, 146),
        ]
    )
    func `reads every row of the official files`(task: String, train: Int, dev: Int, test: Int) throws {
        let files = try self.files(task, try #require(sharedData))
        #expect(try files.examples(.train).count == train)
        #expect(try files.examples(.dev).count == dev)
        #expect(try files.texts(.test).count == test)
    }

    @Test(.enabled(if: sharedData != nil, "needs ../shared/data/glue"))
    func `reads every row of MNLI's matched dev file`() throws {
        let files = try self.files("mnli-m", try #require(sharedData))
        let examples = try files.examples(.dev)
        #expect(examples.count == 9815)
        #expect(examples[0].first == "The new rights are nice enough")
        #expect(examples[0].label == .classIndex(1))
    }
}
