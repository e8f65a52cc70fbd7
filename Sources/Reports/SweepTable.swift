import Sweeps

/// The table that people read: one row a method, one column a task; below each row, where there are published figures,
/// those and the differences. Scores are multiplied by 100 and rounded to two
/// decimals, as tables of these tasks are printed; what is equal as printed is equal in rank.
struct SweepTable: Hashable {
    enum Mark: Hashable { case none, best, second }

    /// A score as it stands in the table.
    struct Entry: Hashable {
        /// The mean, which a mark applies to.
        var mean = "–"
        /// What follows it: deviation, number of seeds.
        var rest = ""
        var mark = Mark.none
    }

    struct Column: Hashable {
        var title: String
        /// In the order of the lines.
        var entries: [Entry]
    }

    /// A row, or a line below one.
    struct Line {
        var label: String
        var trainableParameters: String
        /// In the order of the columns.
        var entries: [Entry]
    }

    let title: String
    /// A line's first two columns.
    let labels: [String]
    let trainableParameters: [String]
    let columns: [Column]
    /// What must be known to read the table.
    private let sentences: [String]
    /// What the lines' marks refer to, what is missing, and why.
    let notes: [String]

    init(_ report: SweepReport, partial: Bool) {
        let rows = report.rows
        let tasks = report.cells.map(\.cell.task).withoutRepetitions
        let byTask = tasks.map { task in report.cells.filter { $0.cell.task == task } }
        var columns = byTask.map { Self.column($0, partial: partial, ours: report.ours) }
        if tasks.count > 1 { columns.append(Self.averages(byTask, rows)) }

        var lines = rows.enumerated().map { index, cells in
            Line(
                label: oneLine(cells[0].cell.label, limit: 200),
                trainableParameters: Self.trainableParameters(cells),
                entries: columns.map { $0.entries[index] }
            )
        }
        var footnotes = Footnotes()
        var withheld: [String] = []
        if let table = report.published {
            let comparison = Comparison(report, table, partial: partial)
            let pairs = zip(lines, comparison.rows)
            lines = pairs.flatMap { [$0] + $1.lines(below: $0.label, columns: columns.count, &footnotes) }
            withheld = comparison.notes(labels: rows.map { $0[0].cell.label }, hasAverages: tasks.count > 1)
        }
        self.title = "\(report.sweep) on \(report.backbone)"
        self.labels = lines.map(\.label)
        self.trainableParameters = lines.map(\.trainableParameters)
        self.columns = columns.indices.map { column in
            Column(title: columns[column].title, entries: lines.map { $0.entries[column] })
        }
        self.sentences = Self.sentences(report, byTask)
        let mark = report.cells.contains { report.ours.contains($0.cell) } ? [Self.oursNote] : []
        self.notes = (footnotes.lines + mark + withheld + report.notes).map { oneLine($0, limit: 400) }
    }

    /// Stands behind what some settings of which are ours.
    private static let oursMark = "°"
    private static let oursNote =
        "\(oursMark) some settings are ours, not the authors': quintet plan shows which"

    private static func column(_ cells: [CellResults], partial: Bool, ours: Set<Cell>) -> Column {
        var entries = marking(
            cells.map { self.entry($0, partial: partial) },
            eligible: cells.map { $0.isComplete && cells.compare },
            higherIsBetter: cells[0].metric.higherIsBetter
        )
        for (index, cell) in cells.enumerated() where ours.contains(cell.cell) { entries[index].rest += Self.oursMark }
        return Column(title: "\(cells[0].title) (\(cells[0].metric.rawValue))", entries: entries)
    }

    private static func entry(_ cell: CellResults, partial: Bool) -> Entry {
        let count = cell.isComplete ? "" : " (\(cell.values.count)/\(cell.expected))"
        guard let summary = cell.summary(partial: partial) else { return Entry(rest: count) }
        let deviation = summary.standardDeviation.map(percent) ?? "–"
        return Entry(mean: percent(summary.mean), rest: " ± \(deviation)\(count)")
    }

    private static func averages(_ byTask: [[CellResults]], _ rows: [[CellResults]]) -> Column {
        let means = rows.map(\.average)
        let better = Set(byTask.map { $0[0].metric.higherIsBetter })
        let compare = better.count == 1 && byTask.allSatisfy(\.compare)
        let entries = marking(
            means.map { mean in mean.map { Entry(mean: percent($0)) } ?? Entry() },
            eligible: means.map { $0 != nil && compare },
            higherIsBetter: better.contains(true)
        )
        return Column(title: "Avg.", entries: entries)
    }

    /// Parameters may differ between tasks (overrides) and are then a range.
    private static func trainableParameters(_ cells: [CellResults]) -> String {
        let counts = cells.compactMap(\.trainableParameters).map { Int($0.rounded()) }
        guard let least = counts.min(), let most = counts.max() else { return "–" }
        return least == most ? grouped(least) : "\(grouped(least))–\(grouped(most))"
    }

    private static func sentences(_ report: SweepReport, _ byTask: [[CellResults]]) -> [String] {
        let seeds = report.cells.first?.expected ?? 0
        let rules = Set(report.cells.flatMap { $0.seeds.map(\.countingRule) })
        let counted =
            switch (rules.contains(.true), rules.contains(.published)) {
            case (true, false): ", by true count"
            case (true, true): ", by each method's countingRule"
            case (false, _): ""
            }
        return [
            seeds == 1 ? "Scores × 100 of one seed." : "Scores × 100: mean ± std over \(seeds) seeds (ddof 1).",
            "Scored on \(self.splits(byTask)).",
            "Trainable parameters without the head\(counted).",
        ] + (report.published.map { ["Published: \($0.described).", "Difference: ours − published."] } ?? [])
    }

    /// What must be known to read the table.
    ///
    /// - Parameter hasMarks: whether best and second are set apart where the table is shown.
    func caption(hasMarks: Bool) -> String {
        let isMarked = hasMarks && self.columns.contains { $0.entries.contains { $0.mark != .none } }
        return (self.sentences + (isMarked ? ["Best bold, second underlined."] : [])).joined(separator: " ")
    }

    /// Which split each column's scores are of: said once where it is the same for all.
    private static func splits(_ byTask: [[CellResults]]) -> String {
        let columns = byTask.map { (title: $0[0].title, split: $0.splits.written) }
        let splits = columns.map(\.split).withoutRepetitions
        guard splits.count > 1 else { return splits.first ?? "nothing" }
        return splits.map { split in
            "\(split): \(columns.filter { $0.split == split }.map(\.title).joined(separator: ", "))"
        }.joined(separator: "; ")
    }
}

/// Marks the best and the second best of the eligible entries; equals share a mark. Without another to compare with,
/// nothing is best.
private func marking(_ entries: [SweepTable.Entry], eligible: [Bool], higherIsBetter: Bool) -> [SweepTable.Entry] {
    let scores = zip(entries, eligible).map { $1 ? Double($0.mean) : nil }
    guard entries.count > 1, scores.count(where: { $0 != nil }) > 1 else { return entries }
    let ranked = Set(scores.compactMap(\.self)).sorted { higherIsBetter ? $0 > $1 : $0 < $1 }
    return zip(entries, scores).map { entry, score in
        var entry = entry
        if score == ranked.first { entry.mark = .best }
        if ranked.count > 1, score == ranked[1] { entry.mark = .second }
        return entry
    }
}

/// A task's name as columns show it.
func title(of task: String) -> String { (try? TaskDescription.named(task).title) ?? task }

extension CellResults {
    var title: String { Reports.title(of: self.cell.task) }
}

extension [CellResults] {
    /// The average over a row's tasks, where there are several columns and the row has them all.
    var average: Double? {
        guard self.count > 1, self.allSatisfy(\.isComplete) else { return nil }
        return RowAverage(self.compactMap { cell in cell.summary(partial: false).map { (cell.cell.task, $0.mean) } })?
            .value
    }

    var splits: [ScoredSplit] { self.flatMap(\.splits).withoutRepetitions }

    /// Whether one task's cells were scored on the same examples: else none of them is the best.
    var compare: Bool { self.splits.count <= 1 }
}

extension [ScoredSplit] {
    var written: String { self.map(\.description).joined(separator: " and ") }
}

extension SweepReport {
    /// The most failed shards that are told one by one.
    private static let failureLimit = 20

    /// What a reader of the table must know of what is not in it.
    var notes: [String] {
        var notes: [String] = []
        for task in self.cells.map(\.cell.task).withoutRepetitions {
            let cells = self.cells.filter { $0.cell.task == task }
            guard !cells.compare else { continue }
            notes.append("\(cells[0].title) mixes \(cells.splits.written): its scores do not compare.")
        }
        let seeds = self.cells.flatMap { cell in cell.seeds.map { (cell: cell, seed: $0) } }
        for (cell, seed) in seeds where seed.outcome.result != nil && seed.value == nil {
            notes.append("\(seed.name): \(cell.metric.rawValue) is undefined.")
        }
        let missing = seeds.count { $0.seed.outcome.result == nil }
        if missing > 0 {
            notes.append("\(missing) of \(seeds.count) shards have no result; go on with: quintet resume \(self.sweep)")
        }
        let failures = seeds.compactMap { (_, seed) -> String? in
            guard case .failed(let message) = seed.outcome else { return nil }
            return "failed: \(seed.name): \(message)"
        }
        notes += failures.prefix(Self.failureLimit)
        if failures.count > Self.failureLimit { notes.append("failed: \(failures.count - Self.failureLimit) more") }
        return notes
    }
}
