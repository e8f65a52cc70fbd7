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
    private let form: Form

    /// Finds the task's files under `folder`: the folder as the official archives unpack (`folder/RTE/train.tsv`), or
    /// the task's own (`folder/train.tsv`). RTE's may be GLUE's or SuperGLUE's.
    public init(task: TaskDescription, folder: String) throws(TaskFileError) {
        self.task = task
        let forms = Form.of(task)
        for candidate in ["\(folder)/\(task.folder)", folder] {
            for form in forms {
                let names = OfficialSplit.allCases.flatMap { form.names($0, of: task) }
                guard names.contains(where: { FileManager.default.fileExists(atPath: "\(candidate)/\($0)") }) else {
                    continue
                }
                (self.folder, self.form) = (candidate, form)
                return
            }
        }
        let expected = forms.flatMap { $0.names(.train, of: task) }.joined(separator: " or ")
        throw TaskFileError(
            "\(folder)/\(task.folder)",
            "has no \(expected); expected \(task.title)'s official files there or in \(folder) itself"
        )
    }

    /// The rows of a file with labels, in the file's order. MNLI's two dev files follow one another.
    ///
    /// - Throws: ``TaskFileError`` with the line of a row that is short or whose label is none of the task's; also
    ///   where the file has no labels or no rows.
    public func examples(_ split: OfficialSplit) throws(TaskFileError) -> [Example] {
        if split == .test { throw TaskFileError(self.path(split), "has no labels; use train or dev") }
        return try self.rows(split).rows.map { row in
            guard let label = row.label else { preconditionFailure("a labelled file gave a row without label") }
            return Example(first: row.text.first, second: row.text.second, label: label, group: row.group)
        }
    }

    /// The texts of any file, in the file's order.
    public func texts(_ split: OfficialSplit) throws(TaskFileError) -> [TextPair] {
        try self.rows(split).rows.map(\.text)
    }

    /// Reads a file as ``examples(_:)`` does.
    ///
    /// - Returns: the lines of rows that are left out because they lack columns: a few of QQP's.
    public func shortLines(_ split: OfficialSplit) throws(TaskFileError) -> [Int] {
        try self.rows(split).shortLines
    }

    private func path(_ split: OfficialSplit) -> String {
        "\(self.folder)/\(self.form.names(split, of: self.task)[0])"
    }

    private func rows(_ split: OfficialSplit) throws(TaskFileError) -> TaskRows {
        var result = TaskRows()
        for (group, name) in self.form.names(split, of: self.task).enumerated() {
            let file = try TaskLines(path: "\(self.folder)/\(name)")
            var part = try self.form.read(file, self.task, isLabelled: split != .test)
            if group > 0 { for index in part.rows.indices { part.rows[index].group = group } }
            result.rows += part.rows
            result.shortLines += part.shortLines
        }
        return result
    }
}

/// How a task's files are written.
enum Form {
    /// GLUE's tables: `train.tsv`, `dev.tsv`, `test.tsv`.
    case tables
    /// SuperGLUE's objects: `train.jsonl`, `val.jsonl`, `test.jsonl`.
    case objects

    /// The task's forms, the first preferred.
    static func of(_ task: TaskDescription) -> [Form] {
        switch task.name {
        case "rte": [.tables, .objects]
        case "boolq", "cb", "multirc", "wic", "wsc": [.objects]
        default: [.tables]
        }
    }

    func names(_ split: OfficialSplit, of task: TaskDescription) -> [String] {
        switch (self, split, task.name) {
        case (.objects, .dev, _): ["val.jsonl"]
        case (.objects, _, _): ["\(split.rawValue).jsonl"]
        case (.tables, .train, _): ["train.tsv"]
        case (.tables, _, "mnli"): ["matched", "mismatched"].map { "\(split.rawValue)_\($0).tsv" }
        case (.tables, _, "mnli-m"): ["\(split.rawValue)_matched.tsv"]
        case (.tables, _, "mnli-mm"): ["\(split.rawValue)_mismatched.tsv"]
        case (.tables, _, _): ["\(split.rawValue).tsv"]
        }
    }

    func read(_ file: TaskLines, _ task: TaskDescription, isLabelled: Bool) throws(TaskFileError) -> TaskRows {
        switch self {
        case .tables: try TableReader(task: task).read(TableFile(file), isLabelled: isLabelled)
        case .objects: try ObjectReader(task: task).read(file, isLabelled: isLabelled)
        }
    }
}
