import Digests
import Foundation
public import Sweeps

/// How a ``RunReport`` is written.
public enum RunFormat: String, CaseIterable, Sendable {
    /// A column a run.
    case terminal
    /// An array with one object a run, numbers unrounded.
    case json
}

/// Finished shards side by side: the rows that people print of a run by hand.
public struct RunReport: Hashable, Sendable {
    /// One finished shard.
    public struct Run: Hashable, Sendable {
        public let sweep: String
        public let backbone: String
        /// The shard's name, for people.
        public let name: String
        public let result: ShardResult

        public init(sweep: String, backbone: String, name: String, result: ShardResult) {
            self.sweep = sweep
            self.backbone = backbone
            self.name = name
            self.result = result
        }
    }

    public let runs: [Run]

    public init(_ runs: [Run]) { self.runs = runs }

    /// The report as text that ends with a line feed.
    ///
    /// - Parameter columns: runs that do not fit beside each other in so many stand below; for
    ///   ``RunFormat/terminal`` only.
    public func rendered(as format: RunFormat, columns: Int = .max) -> String {
        switch format {
        case .terminal: self.terminal(columns: columns)
        case .json: self.json
        }
    }

    // MARK: Text

    private func terminal(columns: Int) -> String {
        let sections = self.sections
        let titles = sections.flatMap(\.rows).map(\.title.count).max() ?? 0
        let widths = self.runs.indices.map { run in
            sections.flatMap(\.rows).map { $0.cells[run].count }.max() ?? 0
        }
        var (blocks, used) = ([[Int]](), 0)
        for (run, width) in widths.enumerated() {
            if blocks.isEmpty || used + 2 + width > columns {
                blocks.append([])
                used = titles
            }
            blocks[blocks.count - 1].append(run)
            used += 2 + width
        }
        let texts = blocks.map { block in
            sections.map { section in
                let rows = section.rows.map { row in
                    let cells = block.map { row.cells[$0].padded(to: widths[$0], isLeft: false) }
                    return ([row.title.padded(to: titles, isLeft: true)] + cells).joined(separator: "  ") + "\n"
                }
                return (section.title.map { "\n\($0)\n" } ?? "") + rows.joined()
            }.joined()
        }
        return texts.joined(separator: "\n") + self.stages
            + "\nScores × 100. Memory is what the process had resident.\n"
    }

    private struct Section {
        let title: String?
        let rows: [Row]
    }

    private struct Row {
        let title: String
        /// One a run.
        let cells: [String]
    }

    private var sections: [Section] {
        let splits = ScoredPart.allCases.map { part in
            Section(title: part.title, rows: self.rows(self.runs.map { $0.result.evaluation(of: part) }))
        }
        return [Section(title: nil, rows: self.heading), Section(title: "train", rows: self.training)]
            + splits.filter { !$0.rows.isEmpty }
    }

    private var heading: [Row] {
        func row(_ title: String, _ cell: (Run) -> String) -> Row { Row(title: title, cells: self.runs.map(cell)) }
        return [
            row("shard") { oneLine($0.name, limit: 80) },
            row("sweep") { oneLine($0.sweep, limit: 80) },
            row("key") { $0.result.key.short },
            row("backbone") { oneLine($0.backbone, limit: 80) },
            row("task") { oneLine($0.result.task, limit: 80) },
            row("method") { oneLine($0.result.method, limit: 80) },
            row("seed") { String($0.result.seed) },
            row("protocol") { $0.result.splitProtocol.rawValue },
            row("scored step") { "\($0.result.scoredStep) of \($0.result.steps)" },
            row("trainable parameters, start") { grouped($0.result.trainableParametersInitial) },
            row("trainable parameters, end") { grouped($0.result.trainableParametersFinal) },
        ] + self.trueCounts + [row("head's parameters") { grouped($0.result.headParameters) }]
    }

    /// What is there, where a run tells it.
    private var trueCounts: [Row] {
        func row(_ title: String, _ count: (ShardResult) -> Int?) -> Row? {
            let counts = self.runs.map { count($0.result) }
            guard counts.contains(where: { $0 != nil }) else { return nil }
            return Row(title: title, cells: counts.map { $0.map(grouped) ?? "–" })
        }
        return [
            row("true parameters, start", \.trueParametersInitial), row("true parameters, end", \.trueParametersFinal),
        ].compactMap(\.self)
    }

    private var training: [Row] {
        func row(_ title: String, _ cell: (ShardResult) -> String) -> Row {
            Row(title: "  \(title)", cells: self.runs.map { cell($0.result) })
        }
        return [
            row("epochs") { fixed($0.epochs, 2) },
            row("loss") { lossText($0.trainingLoss) },
            row("runtime") { runtimeText($0.runtimeSeconds) },
            row("steps") { grouped($0.steps) },
            row("samples/s") { fixed($0.samplesPerSecond, 1) },
            row("steps/s") { fixed($0.stepsPerSecond, 2) },
            row("memory, peak") { memoryText($0.peakMemoryBytes) },
        ]
    }

    /// The rows of one split, without those that no run has.
    private func rows(_ evaluations: [Evaluation?]) -> [Row] {
        func row(_ title: String, _ cell: (Evaluation) -> String?) -> Row? {
            let cells = evaluations.map { $0.flatMap(cell) }
            guard cells.contains(where: { $0 != nil }) else { return nil }
            return Row(title: "  \(title)", cells: cells.map { $0 ?? "–" })
        }
        let scores = MetricName.allCases.map { metric in row(metric.rawValue) { $0.metrics[metric].map(percent) } }
        let rows =
            [row("epoch") { fixed($0.epoch, 2) }] + scores + [
                row("loss") { lossText($0.loss) },
                row("runtime") { runtimeText($0.runtimeSeconds) },
                row("samples") { grouped($0.samples) },
                row("samples/s") { fixed($0.samplesPerSecond, 1) },
                row("steps/s") { fixed($0.stepsPerSecond, 2) },
                row("memory before") { $0.memory.map { memoryText($0.beforeBytes) } },
                row("memory after") { $0.memory.map { memoryText($0.afterBytes) } },
                row("memory, peak") { $0.memory.map { memoryText($0.peakBytes) } },
            ]
        return rows.compactMap(\.self)
    }
}

/// The evaluations of the scored parameters.
enum ScoredPart: String, CaseIterable {
    case trainingSample, validation, test

    /// ``Evaluation/split``.
    var split: String { self == .trainingSample ? "train" : self.rawValue }

    var title: String {
        switch self {
        case .trainingSample: "evaluation on training examples"
        case .validation: "evaluation on validation"
        case .test: "test"
        }
    }
}

extension ShardResult {
    func evaluation(of part: ScoredPart) -> Evaluation? {
        self.evaluations.last { $0.split == part.split && $0.step == self.scoredStep }
    }
}

/// A number with so many decimals.
func fixed(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }

private func lossText(_ loss: Double) -> String { String(format: abs(loss) < 1000 ? "%.4f" : "%.3g", loss) }

private func runtimeText(_ seconds: Double) -> String {
    seconds < 60 ? "\(fixed(seconds, seconds < 1 ? 3 : 2)) s" : duration(seconds)
}

private func memoryText(_ bytes: Int) -> String { "\(grouped(bytes >> 20)) MiB" }
