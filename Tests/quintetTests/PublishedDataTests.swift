import Foundation
import Testing

@testable import quintet

@Suite final class PublishedDataTests {
    private let folder = FileManager.default.temporaryDirectory.appending(path: "published-\(UUID().uuidString)")

    init() throws { try FileManager.default.createDirectory(at: self.folder, withIntermediateDirectories: true) }

    deinit { try? FileManager.default.removeItem(at: self.folder) }

    private func write(_ name: String, header: String, row: String, _ count: Int) throws {
        let text = ([header] + Array(repeating: row, count: count)).joined(separator: "\n") + "\n"
        try Data(text.utf8).write(to: self.folder.appending(path: name))
    }

    private func problem(_ name: String) -> String {
        do {
            try PublishedData.check(name, folder: self.folder)
            return "accepted"
        } catch { return "\(error)" }
    }

    @Test func `files with other rows or columns than were published are told`() throws {
        let header = "index\tsentence1\tsentence2\tlabel"
        try self.write("train.tsv", header: header, row: "1\ta\tb\tentailment", 2490)
        try self.write("dev.tsv", header: header, row: "1\ta\tb\tnot_entailment", 277)
        try self.write("test.tsv", header: "index\tsentence1\tsentence2", row: "1\ta\tb", 3000)
        #expect(self.problem("rte") == "accepted")
        try self.write("dev.tsv", header: header, row: "1\ta\tb\tnot_entailment", 200)
        #expect(self.problem("rte") == "dev.tsv has 200 rows; 277 were published")
        try self.write("dev.tsv", header: header, row: "1\ta\tb", 277)
        #expect(self.problem("rte").contains("dev.tsv:2: has 3 columns"))
        try self.write("dev.tsv", header: "sentence\tlabel", row: "a\t1", 277)
        #expect(self.problem("rte").contains("has no column \"sentence1\""))
        try FileManager.default.removeItem(at: self.folder.appending(path: "dev.tsv"))
        #expect(self.problem("rte") != "accepted")
    }

    /// Goal: files of objects are read as their task's, whatever their entry is called.
    @Test(arguments: [("cb", "premise", "contradiction"), ("superglue-rte", "premise", "entailment")])
    func `files of objects with other keys or labels than were published are told`(
        name: String,
        key: String,
        label: String
    ) throws {
        let counts = name == "cb" ? [250, 56, 250] : [2490, 277, 3000]
        func write(_ file: String, _ row: String, _ count: Int) throws {
            try self.write(file, header: row, row: row, count - 1)
        }
        let row = #"{"premise":"a","hypothesis":"b","label":"\#(label)","idx":0}"#
        try write("train.jsonl", row, counts[0])
        try write("val.jsonl", row, counts[1])
        try write("test.jsonl", #"{"premise":"a","hypothesis":"b","idx":0}"#, counts[2])
        #expect(self.problem(name) == "accepted")
        try write("val.jsonl", row.replacing(key, with: "text"), counts[1])
        #expect(self.problem(name).contains("val.jsonl:1: "))
        try write("val.jsonl", row.replacing(label, with: "maybe"), counts[1])
        #expect(self.problem(name).contains("val.jsonl:1: ") && self.problem(name).contains("maybe"))
        try write("val.jsonl", row, counts[1])
        try write("test.jsonl", "[]", counts[2])
        #expect(self.problem(name).contains("test.jsonl:1: "))
    }

    @Test func `SQuAD's questions are counted`() throws {
        for name in ["train-v1.1", "dev-v1.1", "train-v2.0", "dev-v2.0"] {
            let text = "{\"data\":[{\"paragraphs\":[{\"qas\":[{\"id\":\"1\"},{\"id\":\"2\"}]}]}]}"
            try Data(text.utf8).write(to: self.folder.appending(path: "\(name).json"))
        }
        #expect(self.problem("squad") == "dev-v1.1.json has 2 rows; 10570 were published")
        try Data("{}".utf8).write(to: self.folder.appending(path: "dev-v1.1.json"))
        #expect(self.problem("squad") == "dev-v1.1.json is no SQuAD file")
    }
}
