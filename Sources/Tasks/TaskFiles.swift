import Foundation
public import Sweeps

/// A file of a task as it is published.
public enum OfficialSplit: String, CaseIterable, Sendable {
    case train
    case dev
    /// Has no labels.
    case test
}

/// The published files of one task.
public struct TaskFiles: Sendable {
    public let task: TaskDescription
    /// The folder that holds the task's own files.
    public let folder: String

    /// Finds the task's files under `folder`: the folder as the official archives unpack (`folder/RTE/train.tsv`), or
    /// the task's own (`folder/train.tsv`).
    public init(task: TaskDescription, folder: String) throws(TaskFileError) {
        self.task = task
        let nested = "\(folder)/\(task.title)"
        guard
            let found = [nested, folder].first(where: { candidate in
                OfficialSplit.allCases.contains { split in
                    FileManager.default.fileExists(atPath: "\(candidate)/\(split.rawValue).tsv")
                }
            })
        else {
            throw TaskFileError(
                nested,
                "has no train.tsv; expected \(task.title)'s official files there or in \(folder) itself"
            )
        }
        self.folder = found
    }

    /// The rows of a file with labels, in the file's order.
    ///
    /// - Throws: ``TaskFileError`` with the line of a row that is short or whose label is none of the task's; also
    ///   where the file has no labels or no rows.
    public func examples(_ split: OfficialSplit) throws(TaskFileError) -> [Example] {
        let (file, columns, skipped) = try self.open(split)
        guard let label = columns.label else { throw TaskFileError(file.path, "has no labels; use train or dev") }
        let needed = max(columns.first, columns.second ?? 0, label) + 1
        var examples: [Example] = []
        for row in file.rows(after: skipped) {
            try self.check(row.cells.count, needed, file.path, row.line)
            let text = self.text(row.cells, columns)
            let label = try self.label(row.cells[label], file.path, row.line)
            examples.append(Example(first: text.first, second: text.second, label: label))
        }
        guard !examples.isEmpty else { throw TaskFileError(file.path, "has no rows") }
        return examples
    }

    /// The texts of any file, in the file's order.
    public func texts(_ split: OfficialSplit) throws(TaskFileError) -> [TextPair] {
        let (file, columns, skipped) = try self.open(split)
        let needed = max(columns.first, columns.second ?? 0) + 1
        var texts: [TextPair] = []
        for row in file.rows(after: skipped) {
            try self.check(row.cells.count, needed, file.path, row.line)
            texts.append(self.text(row.cells, columns))
        }
        guard !texts.isEmpty else { throw TaskFileError(file.path, "has no rows") }
        return texts
    }

    private struct Columns {
        var first: Int
        var second: Int?
        var label: Int?
    }

    private func open(_ split: OfficialSplit) throws(TaskFileError) -> (TableFile, Columns, skipped: Int) {
        let file = try TableFile(path: "\(self.folder)/\(split.rawValue).tsv")
        let header = try file.header()
        if self.task.name == "cola", split != .test {
            // The corpus's own form: source, label, the author's mark, sentence; no header.
            return (file, Columns(first: 3, label: 1), 0)
        }
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
            label: split == .test ? nil : try index(names.label)
        )
        return (file, columns, 1)
    }

    private func check(_ count: Int, _ needed: Int, _ path: String, _ line: Int) throws(TaskFileError) {
        guard count >= needed else {
            throw TaskFileError(path, line: line, "has \(count) columns, not \(needed); is the file complete?")
        }
    }

    private func text(_ cells: [ArraySlice<UInt8>], _ columns: Columns) -> TextPair {
        TextPair(
            first: String(decoding: cells[columns.first], as: UTF8.self),
            second: columns.second.map { String(decoding: cells[$0], as: UTF8.self) }
        )
    }

    private func label(_ cell: ArraySlice<UInt8>, _ path: String, _ line: Int) throws(TaskFileError) -> Label {
        let text = String(decoding: cell, as: UTF8.self)
        let shown = "the label \"\(text.prefix(40))\""
        switch self.task.labels {
        case .classes(let names):
            if let index = names.firstIndex(of: text) { return .classIndex(index) }
            throw TaskFileError(path, line: line, "\(shown) is none of \(names.joined(separator: ", "))")
        case .score:
            if let score = Float(text), score.isFinite { return .score(score) }
            throw TaskFileError(path, line: line, "\(shown) is no number")
        }
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
        case "rte": (self.first, self.second, self.label) = ("sentence1", "sentence2", "label")
        case "sts-b": (self.first, self.second, self.label) = ("sentence1", "sentence2", "score")
        default: (self.first, self.second, self.label) = ("sentence", nil, "label")
        }
    }
}
