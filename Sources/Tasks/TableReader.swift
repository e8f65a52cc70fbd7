internal import Sweeps

/// Reads GLUE's files, whose cells a tab parts.
struct TableReader {
    let task: TaskDescription
    /// More rows without all columns than this are an error where rows may lack some.
    private static let shortRowLimit = 100

    /// - Parameter isLabelled: whether the file is one with labels.
    /// - Throws: ``TaskFileError`` with the line of a row that is short or whose label is none of the task's; also
    ///   where the file has no rows.
    func read(_ file: TableFile, isLabelled: Bool) throws(TaskFileError) -> TaskRows {
        let (columns, skipped) = try self.columns(file, isLabelled: isLabelled)
        let needed = max(columns.first, columns.second ?? 0, columns.label ?? 0) + 1
        var result = TaskRows()
        for (line, cells) in file.rows(after: skipped) {
            guard cells.count >= needed else {
                // A few of QQP's questions have a line break inside, which cuts their rows.
                if self.task.name == "qqp", result.shortLines.count < Self.shortRowLimit {
                    result.shortLines.append(line)
                    continue
                }
                throw TaskFileError(
                    file.path,
                    line: line,
                    "has \(cells.count) columns, not \(needed); is the file complete?"
                )
            }
            func text(_ column: Int) -> String { String(decoding: cells[column], as: UTF8.self) }
            var row = TaskRows.Row(
                .text(TextPair(first: text(columns.first), second: columns.second.map(text))),
                id: [String(line - skipped - 1)]
            )
            if let column = columns.label {
                row.label = try self.task.labels.label(text(column), path: file.path, line: line)
            }
            result.rows.append(row)
        }
        guard !result.rows.isEmpty else { throw TaskFileError(file.path, "has no rows") }
        return result
    }

    private struct Columns {
        var first: Int
        var second: Int?
        var label: Int?
    }

    private func columns(
        _ file: TableFile,
        isLabelled: Bool
    ) throws(TaskFileError) -> (columns: Columns, skipped: Int) {
        let header = try file.header()
        // The corpus's own form: source, label, the author's mark, sentence; no header.
        if self.task.name == "cola", isLabelled { return (Columns(first: 3, label: 1), 0) }
        let names = ColumnNames(task: self.task)
        func index(_ name: String) throws(TaskFileError) -> Int {
            if let index = header.firstIndex(of: name) { return index }
            let found = header.joined(separator: ", ").prefix(200)
            throw TaskFileError(
                file.path,
                line: 1,
                "has no column \"\(name)\" (it has: \(found)); is this \(self.task.title)'s file?"
            )
        }
        let columns = Columns(
            first: try index(names.first),
            second: try names.second.map(index),
            label: isLabelled ? try index(names.label) : nil
        )
        return (columns, 1)
    }
}

/// How the official files name what a task needs.
private struct ColumnNames {
    var first: String
    var second: String?
    var label: String

    init(task: TaskDescription) {
        switch task.name {
        case "mrpc": (self.first, self.second, self.label) = ("#1 String", "#2 String", "Quality")
        case "qqp": (self.first, self.second, self.label) = ("question1", "question2", "is_duplicate")
        case "mnli", "mnli-m", "mnli-mm":
            (self.first, self.second, self.label) = ("sentence1", "sentence2", "gold_label")
        case "qnli": (self.first, self.second, self.label) = ("question", "sentence", "label")
        case "rte", "wnli": (self.first, self.second, self.label) = ("sentence1", "sentence2", "label")
        case "sts-b": (self.first, self.second, self.label) = ("sentence1", "sentence2", "score")
        default: (self.first, self.second, self.label) = ("sentence", nil, "label")
        }
    }
}
