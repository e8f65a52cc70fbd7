/// Film-review snippets with the mean score that twenty people gave (Hutto, Gilbert 2014, "VADER"), made into a task of
/// two classes.
public enum MovieReviews {
    /// Snippets whose score is nearer to zero are left out.
    static let neutralBelow = 0.5
    static let devCount = 1000

    /// The task's folder, the text of each file by its name, from the published table of id, score (-4...4) and text.
    ///
    /// Class 1 is a positive score. The kept snippets are arranged by ``torchPermutation(count:seed:)`` with seed 42;
    /// the first 1,000 are dev, the others train.
    ///
    /// - Throws: ``TaskFileError`` with `path` as the table's name.
    public static func files(table path: String) throws(TaskFileError) -> [String: String] {
        var rows: [String] = []
        let file = try TableFile(path: path)
        for row in file.rows(after: 0) {
            guard row.cells.count >= 3 else {
                throw TaskFileError(
                    path,
                    line: row.line,
                    "has \(row.cells.count) columns, not 3; is the file complete?"
                )
            }
            let text = String(decoding: row.cells[1], as: UTF8.self)
            guard let score = Double(text), abs(score) <= 4 else {
                throw TaskFileError(path, line: row.line, "the score \"\(text.prefix(40))\" is no number in -4...4")
            }
            guard abs(score) >= self.neutralBelow else { continue }
            let sentence = row.cells[2...].map { String(decoding: $0, as: UTF8.self) }.joined(separator: " ")
            rows.append("\(sentence)\t\(score > 0 ? 1 : 0)\n")
        }
        guard rows.count > self.devCount else {
            throw TaskFileError(path, "has \(rows.count) usable rows, not more than \(self.devCount); is it complete?")
        }
        let permuted = torchPermutation(count: rows.count, seed: 42).map { rows[$0] }
        func table(_ rows: ArraySlice<String>) -> String { "sentence\tlabel\n" + rows.joined() }
        return ["dev.tsv": table(permuted[..<self.devCount]), "train.tsv": table(permuted[self.devCount...])]
    }
}
