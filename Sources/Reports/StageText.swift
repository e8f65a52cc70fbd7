import Sweeps

extension RunReport {
    /// A small table for each run that has stages, a line a stage; empty where none has.
    var stages: String {
        self.runs.map { run in
            guard let stages = run.result.stages, !stages.isEmpty else { return "" }
            let columns = [
                ["step"] + stages.map { grouped($0.step) },
                ["sparsity"] + stages.map { CanonicalJSON.number($0.sparsity).written },
                ["ranks"] + stages.map { grouped($0.ranks) },
                ["validation"] + stages.map { $0.validation.map(percent) ?? "–" },
                ["generalization"] + stages.map { $0.generalization.map { "\(fixed($0, 1)) %" } ?? "–" },
                ["training"] + stages.map { $0.training.map(percent) ?? "–" },
                ["memorization"] + stages.map { $0.memorization.map { "\(fixed($0, 1)) %" } ?? "–" },
            ]
            let widths = columns.map { $0.map(\.count).max() ?? 0 }
            let lines = (0...stages.count).map { row in
                zip(columns, widths).map { "  " + $0[row].padded(to: $1, isLeft: false) }.joined() + "\n"
            }
            return "\nstages of \(oneLine(run.name, limit: 80)); %: of the first stage's\n\(lines.joined())"
        }.joined()
    }
}
