internal import Sweeps

/// What a reader makes of one file.
struct TaskRows {
    /// What is read, with its label where the file has labels.
    struct Row: Hashable {
        var reading: Reading
        var label: Label?
        var group: Int
        /// What the file calls it, or its place there; of MultiRC's answers the passage, the question and the answer.
        var id: [String]

        init(_ reading: Reading, label: Label? = nil, group: Int = 0, id: [String]) {
            self.reading = reading
            self.label = label
            self.group = group
            self.id = id
        }
    }

    var rows: [Row] = []
    /// The lines of rows that were left out, because they lack columns.
    var shortLines: [Int] = []
}

extension Labels {
    /// The label that a file's text stands for.
    ///
    /// - Throws: ``TaskFileError`` where it is none.
    func label(_ text: String, path: String, line: Int) throws(TaskFileError) -> Label {
        let shown = "the label \"\(text.prefix(40))\""
        switch self {
        case .classes(let names):
            if let index = names.firstIndex(of: text) { return .classIndex(index) }
            throw TaskFileError(path, line: line, "\(shown) is none of \(names.joined(separator: ", "))")
        case .score:
            if let score = Float(text), score.isFinite { return .score(score) }
            throw TaskFileError(path, line: line, "\(shown) is no number")
        case .candidate, .span: preconditionFailure("answers are no labels of a table's rows")
        }
    }
}
