import Foundation

/// MRPC as GLUE splits it: Microsoft's corpus of paraphrases (Dolan, Brockett 2005), with GLUE's own list of the pairs
/// that are its dev set. Nothing is changed in a row.
public enum ParaphraseFiles {
    private static let bytesLimit = 16 << 20

    /// `train.tsv`, `dev.tsv` and `test.tsv`, text by name.
    ///
    /// - Parameter folder: holds `msr_paraphrase_train.txt`, `msr_paraphrase_test.txt` and `mrpc_dev_ids.tsv`.
    /// - Throws: ``TaskFileError`` for a file that is missing or a row that has not five columns.
    public static func files(folder: String) throws(TaskFileError) -> [String: String] {
        let development = Set(try self.rows("\(folder)/mrpc_dev_ids.tsv", columns: 2).map(\.cells))
        let trainRows = try self.rows("\(folder)/msr_paraphrase_train.txt", columns: 5)
        let testRows = try self.rows("\(folder)/msr_paraphrase_test.txt", columns: 5)
        guard let header = trainRows.first?.line else {
            throw TaskFileError("\(folder)/msr_paraphrase_train.txt", "has no rows")
        }
        var (train, dev) = ([header], [header])
        for row in trainRows.dropFirst() {
            if development.contains(Array(row.cells[1...2])) { dev.append(row.line) } else { train.append(row.line) }
        }
        var test = ["index\t#1 ID\t#2 ID\t#1 String\t#2 String"]
        for (index, row) in testRows.dropFirst().enumerated() {
            test.append("\(index)\t\(row.cells[1...].joined(separator: "\t"))")
        }
        return ["train.tsv": train, "dev.tsv": dev, "test.tsv": test].mapValues { $0.joined(separator: "\n") + "\n" }
    }

    private static func rows(
        _ path: String,
        columns: Int
    ) throws(TaskFileError) -> [(line: String, cells: [String])] {
        let handle = FileHandle(forReadingAtPath: path)
        defer { try? handle?.close() }
        guard let data = try? handle?.read(upToCount: self.bytesLimit + 1), data.count <= self.bytesLimit else {
            throw TaskFileError(path, "cannot be read, or has more than \(self.bytesLimit) bytes")
        }
        var rows: [(String, [String])] = []
        for (number, bytes) in data.split(separator: UInt8(ascii: "\n")).enumerated() {
            var line = String(decoding: bytes, as: UTF8.self)
            if line.unicodeScalars.last == "\r" { line.unicodeScalars.removeLast() }
            let cells = line.unicodeScalars.split(separator: "\t", omittingEmptySubsequences: false).map { String($0) }
            guard cells.count == columns else {
                throw TaskFileError(path, line: number + 1, "has \(cells.count) columns, not \(columns)")
            }
            rows.append((line, cells))
        }
        return rows
    }
}
