import Foundation
import Tasks
import Testing

@Suite final class ParaphraseFilesTests {
    private let folder = FileManager.default.temporaryDirectory.appending(path: "paraphrases-\(UUID().uuidString)")

    init() throws { try FileManager.default.createDirectory(at: self.folder, withIntermediateDirectories: true) }

    deinit { try? FileManager.default.removeItem(at: self.folder) }

    private func write(_ name: String, _ text: String) throws {
        try Data(text.utf8).write(to: self.folder.appending(path: name))
    }

    @Test func `the corpus is split by GLUE's list, its quirks kept`() throws {
        let header = "\u{FEFF}Quality\t#1 ID\t#2 ID\t#1 String\t#2 String"
        try self.write("msr_paraphrase_train.txt", "\(header)\r\n1\t7\t8\tA \"b\tc\r\n0\t8\t7\td\te\r\n")
        try self.write("msr_paraphrase_test.txt", "\(header)\n1\t3\t4\tf\tg\n0\t5\t6\th\ti\n")
        try self.write("mrpc_dev_ids.tsv", "7\t8\n9\t9\n")
        let files = try ParaphraseFiles.files(folder: self.folder.path)
        #expect(files["dev.tsv"] == "\(header)\n1\t7\t8\tA \"b\tc\n")
        #expect(files["train.tsv"] == "\(header)\n0\t8\t7\td\te\n")
        #expect(files["test.tsv"] == "index\t#1 ID\t#2 ID\t#1 String\t#2 String\n0\t3\t4\tf\tg\n1\t5\t6\th\ti\n")
        try self.write("msr_paraphrase_test.txt", "\(header)\n1\t3\t4\tf\n")
        let error = #expect(throws: TaskFileError.self) { try ParaphraseFiles.files(folder: self.folder.path) }
        #expect(error?.description.contains("msr_paraphrase_test.txt:2: has 4 columns, not 5") == true)
        try FileManager.default.removeItem(at: self.folder.appending(path: "mrpc_dev_ids.tsv"))
        #expect(throws: TaskFileError.self) { try ParaphraseFiles.files(folder: self.folder.path) }
    }
}
