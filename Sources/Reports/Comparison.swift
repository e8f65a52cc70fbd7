import Sweeps

/// A sweep's rows beside a published table's. Figures and differences are in points.
///
/// A row of ours stands beside the published row of the same label, in any case, with or without the printed parameters
/// behind it; else beside the only one of its method with its size (what the row says in settings, such as the rank);
/// else, where just one has its method, beside that.
struct Comparison {
    /// A row of ours, its lists in the order of its cells.
    struct Row {
        let published: PublishedTable.Row?
        let figures: [Double?]
        /// Ours − published.
        let differences: [Double?]
        /// What a reader must know of each figure.
        let flags: [[String]]
        let averages: Averages
    }

    /// Averages over tasks.
    struct Averages {
        /// Ours; `nil` unless every cell is complete.
        let ours: Double?
        /// As printed; `nil` also where ours is of other tasks.
        let published: Double?
        /// Why ``published`` is withheld although there is one.
        let reason: String?

        var difference: Double? {
            guard let ours, let published else { return nil }
            return ours - published
        }
    }

    let table: PublishedTable
    /// In the order of the sweep's labels.
    let rows: [Row]

    init(_ report: SweepReport, _ table: PublishedTable, partial: Bool) {
        self.table = table
        self.rows = report.rows.map { cells in
            let row = table.row(beside: cells)
            let means = cells.map { $0.summary(partial: partial).map { $0.mean * 100 } }
            let figures = cells.map { cell in row.flatMap { table.figure(of: cell.cell.task, in: $0) } }
            return Row(
                published: row,
                figures: figures,
                differences: zip(means, figures).map { ours, theirs in
                    guard let ours, let theirs else { return nil }
                    return ours - theirs
                },
                flags: zip(cells, figures).map { cell, figure in
                    guard let row, figure != nil else { return [] }
                    return cell.flags(beside: row, of: table, backbone: report.backbone, partial: partial)
                },
                averages: Averages(cells, row, of: table)
            )
        }
    }
}

extension Comparison.Averages {
    fileprivate init(_ cells: [CellResults], _ row: PublishedTable.Row?, of table: PublishedTable) {
        self.ours = cells.average.map { $0 * 100 }
        guard let row, let average = row.average else {
            (self.published, self.reason) = (nil, nil)
            return
        }
        let covered = table.tasks.flatMap { task -> [String] in
            let halves = task == "mnli" && !cells.contains { $0.cell.task == task }
            return halves && cells.contains { RowAverage.halves.contains($0.cell.task) } ? RowAverage.halves : [task]
        }
        let missing = covered.compactMap { task -> String? in
            guard let cell = cells.first(where: { $0.cell.task == task }) else { return title(of: task) }
            return cell.isComplete ? nil : "\(cell.title) (\(cell.values.count)/\(cell.expected))"
        }
        let surplus = cells.filter { !table.tasks.contains(RowAverage.task(of: $0.cell.task)) }.map(\.title)
        let reasons =
            (missing.isEmpty ? [] : ["missing here: \(missing.joined(separator: ", "))"])
            + (surplus.isEmpty ? [] : ["not in it: \(surplus.joined(separator: ", "))"])
        self.published = reasons.isEmpty ? average : nil
        self.reason = reasons.isEmpty ? nil : reasons.joined(separator: "; ")
    }
}

extension PublishedTable {
    /// The row that a row of a sweep stands beside.
    func row(beside cells: [CellResults]) -> Row? {
        guard let cell = cells.first?.cell else { return nil }
        let label = cell.label.lowercased()
        let named = self.rows.first { row in
            let name = row.label.lowercased()
            return label == name || label == "\(name) \(row.parameters.lowercased())"
        }
        let ofMethod = self.rows.filter { $0.method == cell.method }
        let ofSize = ofMethod.filter { row in cells.allSatisfy { $0.sizeDifferences(from: row).isEmpty } }
        let only = ofSize.count == 1 ? ofSize.first : nil
        // A label that nobody gave says nothing of the size.
        let nearest = cell.label == cell.method ? only ?? named : named ?? only
        return nearest ?? (ofMethod.count == 1 ? ofMethod.first : nil)
    }
}

extension CellResults {
    /// How the run behind a published figure differs from the cell's, and what is doubtful about it.
    fileprivate func flags(
        beside row: PublishedTable.Row,
        of table: PublishedTable,
        backbone: String,
        partial: Bool
    ) -> [String] {
        var flags: [String] = []
        func compare(_ what: String, _ ours: String, _ theirs: String) {
            if ours != theirs { flags.append("\(what): \(ours) here; \(theirs) there") }
        }
        func settings(_ value: (Hyperparameters) -> String) -> String {
            self.settings.map { value(Hyperparameters($0)) }.withoutRepetitions.joined(separator: " and ")
        }
        compare("method", self.cell.method, row.method ?? "another")
        compare("backbone", backbone, table.backbone)
        compare("split", settings(\.splitProtocol.rawValue), table.splitProtocol.rawValue)
        let finished = self.seeds.filter { $0.value != nil }.map(\.seed)
        let used = partial && !finished.isEmpty ? finished : self.seeds.map(\.seed)
        if let seeds = table.runs.seeds {
            compare("seeds", ranges(used), ranges(seeds))
        } else {
            compare("runs", String(used.count), String(table.runs.count))
        }
        compare("over the runs", PublishedTable.Runs.Summary.mean.rawValue, table.runs.summary.rawValue)
        compare("training examples", settings { $0.trainingExamples.map(grouped) ?? "all" }, "all")
        compare("scored examples", settings { $0.evaluationExamples.map(grouped) ?? "all" }, "all")
        return flags + self.sizeDifferences(from: row) + table.notes(of: self.cell.task, in: row)
    }

    /// The settings of the row's size that are other ones here.
    fileprivate func sizeDifferences(from row: PublishedTable.Row) -> [String] {
        guard row.method == self.cell.method else { return [] }
        return row.settings.sorted { $0.key < $1.key }.compactMap { name, theirs in
            guard self.settings.contains(where: { $0[name] != theirs }) else { return nil }
            let ours = self.settings.map { $0[name].map { "\($0)" } ?? "none" }.withoutRepetitions
            return "\(name): \(ours.joined(separator: " and ")) here; \(theirs) there"
        }
    }
}

/// `0–4, 10`: ascending, three and more in a row as a range.
private func ranges(_ numbers: [Int]) -> String {
    var runs: [ClosedRange<Int>] = []
    for number in Set(numbers).sorted() {
        if let last = runs.last, last.upperBound + 1 == number {
            runs[runs.count - 1] = last.lowerBound...number
        } else {
            runs.append(number...number)
        }
    }
    return runs.flatMap { $0.count > 2 ? ["\($0.lowerBound)–\($0.upperBound)"] : $0.map(String.init) }
        .joined(separator: ", ")
}
