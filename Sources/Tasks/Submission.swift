internal import Sweeps

/// Predictions as the benchmarks' servers take them.
///
/// GLUE: a table of index and prediction; MNLI one for each of its test sets. SuperGLUE: an object a line with `idx` and
/// `label`, MultiRC's one a passage. SQuAD: one object from ids to answers.
struct Submission {
    let task: TaskDescription
    /// GLUE's form.
    let isTable: Bool

    /// The files' texts by their names.
    func files(_ rows: [TaskRows.Row], _ predictions: [Label]) -> [String: String] {
        precondition(rows.count == predictions.count, "\(predictions.count) predictions for \(rows.count) rows")
        let all = Array(zip(rows, predictions))
        if self.task.labels == .span { return ["predictions.json": self.answers(all).written + "\n"] }
        guard self.isTable else {
            let lines = self.task.name == "multirc" ? self.passages(all) : all.map(self.object)
            return ["\(self.task.title).jsonl": lines.map(\.written).joined(separator: "\n") + "\n"]
        }
        guard self.task.name == "mnli" else { return ["\(self.task.title).tsv": self.table(all)] }
        return [
            "MNLI-m.tsv": self.table(all.filter { $0.0.group == 0 }),
            "MNLI-mm.tsv": self.table(all.filter { $0.0.group == 1 }),
        ]
    }

    private func table(_ rows: [(TaskRows.Row, Label)]) -> String {
        let lines = rows.map { row, label in "\(row.id[0])\t\(self.text(label))" }
        return (["index\tprediction"] + lines).joined(separator: "\n") + "\n"
    }

    /// A label as the task's files write it; scores stay within STS-B's range.
    private func text(_ label: Label) -> String {
        switch (label, self.task.labels) {
        case (.classIndex(let index), .classes(let names)): names[index]
        case (.score(let score), _): String(min(5, max(0, score)))
        case (.answers(let answers), _): answers.first?.text ?? ""
        case (.classIndex, _): preconditionFailure("\(label) is no label of \(self.task.name)")
        }
    }

    private func object(_ row: TaskRows.Row, _ label: Label) -> CanonicalJSON {
        let value: CanonicalJSON =
            switch (self.task.name, row.reading) {
            case ("copa", .candidates(let candidates)):
                .integer(candidates.firstIndex { $0.name == self.text(label) } ?? 0)
            // As Python writes truth.
            case ("wsc", _): .text(self.text(label) == "true" ? "True" : "False")
            default: .text(self.text(label))
            }
        return .object(["idx": index(row.id[0]), "label": value])
    }

    private func passages(_ rows: [(TaskRows.Row, Label)]) -> [CanonicalJSON] {
        runs(rows, by: { $0.0.id[0] }).map(Array.init).map { passage in
            let questions = runs(passage, by: { $0.0.id[1] }).map(Array.init).map { question in
                let answers = question.map { row, label in
                    CanonicalJSON.object(["idx": index(row.id[2]), "label": index(self.text(label))])
                }
                return CanonicalJSON.object(["idx": index(question[0].0.id[1]), "answers": .array(answers)])
            }
            return .object(["idx": index(passage[0].0.id[0]), "passage": .object(["questions": .array(questions)])])
        }
    }

    private func answers(_ rows: [(TaskRows.Row, Label)]) -> CanonicalJSON {
        let texts = rows.map { row, label in (row.id[0], CanonicalJSON.text(self.text(label))) }
        return .object(Dictionary(texts) { first, _ in first })
    }
}

extension Labels {
    /// Of a row that has no label.
    var unknown: Label {
        switch self {
        case .classes: .classIndex(0)
        case .score: .score(0)
        case .candidate, .span: .answers([])
        }
    }
}

private func index(_ text: String) -> CanonicalJSON { Int(text).map(CanonicalJSON.integer) ?? .text(text) }
