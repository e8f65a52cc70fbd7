import Foundation
import Sweeps
import Tasks

/// What the published files of each benchmark hold, as far as a fetch can tell that they are whole.
enum PublishedData {
    struct Problem: Error, CustomStringConvertible { let description: String }

    /// Of a file that is read whole.
    private static let bytesLimit = 1 << 30

    /// Examples in each file: lines without the header; for SQuAD, questions.
    private static let rows: [String: [String: Int]] = [
        "cola": ["train.tsv": 8551, "dev.tsv": 1043, "test.tsv": 1063],
        "sst-2": ["train.tsv": 67_349, "dev.tsv": 872, "test.tsv": 1821],
        "mrpc": ["train.tsv": 3668, "dev.tsv": 408, "test.tsv": 1725],
        "qqp": ["train.tsv": 363_846, "dev.tsv": 40_430, "test.tsv": 390_965],
        "sts-b": ["train.tsv": 5749, "dev.tsv": 1500, "test.tsv": 1379],
        "mnli": [
            "train.tsv": 392_702, "dev_matched.tsv": 9815, "dev_mismatched.tsv": 9832, "test_matched.tsv": 9796,
            "test_mismatched.tsv": 9847,
        ],
        "qnli": ["train.tsv": 104_743, "dev.tsv": 5463, "test.tsv": 5463],
        "rte": ["train.tsv": 2490, "dev.tsv": 277, "test.tsv": 3000],
        "wnli": ["train.tsv": 635, "dev.tsv": 71, "test.tsv": 146],
        "boolq": ["train.jsonl": 9427, "val.jsonl": 3270, "test.jsonl": 3245],
        "cb": ["train.jsonl": 250, "val.jsonl": 56, "test.jsonl": 250],
        "copa": ["train.jsonl": 400, "val.jsonl": 100, "test.jsonl": 500],
        "multirc": ["train.jsonl": 456, "val.jsonl": 83, "test.jsonl": 166],
        "record": ["train.jsonl": 65_709, "val.jsonl": 7481, "test.jsonl": 7484],
        "superglue-rte": ["train.jsonl": 2490, "val.jsonl": 277, "test.jsonl": 3000],
        "wic": ["train.jsonl": 5428, "val.jsonl": 638, "test.jsonl": 1400],
        "wsc": ["train.jsonl": 554, "val.jsonl": 104, "test.jsonl": 146],
        "squad": [
            "train-v1.1.json": 87_599, "dev-v1.1.json": 10_570, "train-v2.0.json": 130_319, "dev-v2.0.json": 11_873,
        ],
    ]

    /// Whose files they are, where the name does not say.
    private static let tasks = ["squad": ["squad", "squad-2"], "superglue-rte": ["rte"]]

    /// - Throws: where a file has another number of rows than was published, or cannot be read as its task's. A hundredth
    ///   more or less is left to the readers: publishers have mended single rows.
    static func check(_ name: String, folder: URL) throws {
        for (file, expected) in (self.rows[name] ?? [:]).sorted(by: { $0.key < $1.key }) {
            let count = try self.count(folder.appending(path: file), hasHeader: name != "cola" || file == "test.tsv")
            guard abs(count - expected) <= expected / 100 else {
                throw Problem(description: "\(file) has \(count) rows; \(expected) were published")
            }
        }
        for task in self.tasks[name] ?? [name] {
            let files = try TaskFiles(task: try TaskDescription.named(task), folder: folder.path)
            for split in [OfficialSplit.train, .dev] { _ = try files.examples(split) }
            // SQuAD's test files are not published.
            if name != "squad" { _ = try files.texts(.test) }
        }
    }

    private static func count(_ place: URL, hasHeader: Bool) throws -> Int {
        let data = try Data(contentsOf: place, options: .mappedIfSafe)
        guard data.count <= self.bytesLimit else {
            throw Problem(
                description: "\(place.lastPathComponent) has \(data.count) bytes; the limit is \(self.bytesLimit)"
            )
        }
        guard place.pathExtension != "json" else { return try self.questions(data, place) }
        let lines = data.withUnsafeBytes { bytes in
            bytes.count { $0 == UInt8(ascii: "\n") } + (bytes.last.map { $0 == UInt8(ascii: "\n") ? 0 : 1 } ?? 0)
        }
        return hasHeader && place.pathExtension == "tsv" ? max(0, lines - 1) : lines
    }

    private static func questions(_ data: Data, _ place: URL) throws -> Int {
        struct Article: Decodable {
            struct Paragraph: Decodable {
                struct Question: Decodable { let id: String }
                let qas: [Question]
            }
            let paragraphs: [Paragraph]
        }
        struct File: Decodable { let data: [Article] }
        guard let file = try? JSONDecoder().decode(File.self, from: data) else {
            throw Problem(description: "\(place.lastPathComponent) is no SQuAD file")
        }
        return file.data.reduce(0) { $0 + $1.paragraphs.reduce(0) { $0 + $1.qas.count } }
    }
}
