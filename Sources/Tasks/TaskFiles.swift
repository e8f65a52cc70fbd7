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
        if split == .test { throw TaskFileError(self.folder, "the test set has no labels; use train or dev") }
        return try self.rows(split).rows.map { row in
            guard let label = row.label else { preconditionFailure("a labelled file gave a row without label") }
            return Example(row.reading, label: label, group: row.group)
        }
    }

    /// The texts of any file, in the file's order: of a choice each candidate's, of a question it and its context.
    public func texts(_ split: OfficialSplit) throws(TaskFileError) -> [TextPair] {
        try self.rows(split).rows.flatMap(\.reading.texts)
    }

    /// What is to be predicted: the test file, or dev where no test file is published (SQuAD).
    public var predicted: OfficialSplit { self.form == .questions ? .dev : .test }

    /// The rows to be predicted, in the file's order. Their labels mean nothing.
    public func unlabelled() throws(TaskFileError) -> [Example] {
        try self.rows(self.predicted).rows.map {
            Example($0.reading, label: self.task.labels.unknown, group: $0.group)
        }
    }

    /// Predictions for ``unlabelled()`` as the benchmark's server takes them: its files' texts by their names.
    public func submission(_ predictions: [Label]) throws(TaskFileError) -> [String: String] {
        let rows = try self.rows(self.predicted).rows
        return Submission(task: self.task, isTable: self.form == .tables).files(rows, predictions)
    }

    /// Reads a file as ``examples(_:)`` does.
    ///
    /// - Returns: the lines of rows that are left out because they lack columns: a few of QQP's.
    public func shortLines(_ split: OfficialSplit) throws(TaskFileError) -> [Int] {
        try self.rows(split).shortLines
    }

    private func rows(_ split: OfficialSplit) throws(TaskFileError) -> TaskRows {
        var result = TaskRows()
        let names = self.form.names(split, of: self.task)
        if names.isEmpty {
            throw TaskFileError(self.folder, "\(self.task.title)'s \(split.rawValue) set is not published")
        }
        for (group, name) in names.enumerated() {
            let path = "\(self.folder)/\(name)"
            var part = try self.form.read(path, try TaskLines.bytes(path), self.task, isLabelled: split != .test)
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
    /// SQuAD's objects: `train-v1.1.json`, `dev-v1.1.json`, or `v2.0`.
    case questions

    /// The task's forms, the first preferred.
    static func of(_ task: TaskDescription) -> [Form] {
        switch task.name {
        case "rte": [.tables, .objects]
        case "boolq", "cb", "copa", "multirc", "record", "wic", "wsc": [.objects]
        case "squad", "squad-2": [.questions]
        default: [.tables]
        }
    }

    func names(_ split: OfficialSplit, of task: TaskDescription) -> [String] {
        switch (self, split, task.name) {
        case (.questions, .test, _): []
        case (.questions, _, "squad-2"): ["\(split.rawValue)-v2.0.json"]
        case (.questions, _, _): ["\(split.rawValue)-v1.1.json"]
        case (.objects, .dev, _): ["val.jsonl"]
        case (.objects, _, _): ["\(split.rawValue).jsonl"]
        case (.tables, .train, _): ["train.tsv"]
        case (.tables, _, "mnli"): ["matched", "mismatched"].map { "\(split.rawValue)_\($0).tsv" }
        case (.tables, _, "mnli-m"): ["\(split.rawValue)_matched.tsv"]
        case (.tables, _, "mnli-mm"): ["\(split.rawValue)_mismatched.tsv"]
        case (.tables, _, _): ["\(split.rawValue).tsv"]
        }
    }

    /// - Parameter path: for errors.
    func read(
        _ path: String,
        _ bytes: [UInt8],
        _ task: TaskDescription,
        isLabelled: Bool
    ) throws(TaskFileError) -> TaskRows {
        switch self {
        case .tables:
            try TableReader(task: task).read(TableFile(TaskLines(path: path, bytes: bytes)), isLabelled: isLabelled)
        case .objects: try ObjectReader(task: task).read(TaskLines(path: path, bytes: bytes), isLabelled: isLabelled)
        case .questions: try QuestionReader(task: task).read(path: path, bytes: bytes, isLabelled: isLabelled)
        }
    }
}
