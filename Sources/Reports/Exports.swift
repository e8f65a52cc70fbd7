import Sweeps

// The report for programs: every number as it is, nothing rounded, nothing where nothing is defined.

extension SweepReport {
    /// One line a cell (RFC 4180, lines end with a line feed); a column a seed. An undefined number is empty.
    func csv(partial: Bool) -> String {
        let seeds = self.cells.flatMap { $0.seeds.map(\.seed) }.withoutRepetitions
        let besides = self.besides(partial: partial)
        let header =
            ["task", "method", "metric", "protocol", "mean", "std", "n", "expected", "trainableParameters"]
            + (self.published == nil ? [] : Beside.columns) + seeds.map { "seed\($0)" }
        let lines = self.cells.map { cell in
            let summary = cell.summary(partial: partial)
            return [
                cell.cell.task, cell.cell.label, cell.metric.rawValue, cell.protocolNames, number(summary?.mean),
                number(summary?.standardDeviation), String(cell.values.count), String(cell.expected),
                number(cell.trainableParameters),
            ] + (besides[cell.cell]?.fields ?? [])
                + seeds.map { seed in number(cell.seeds.first { $0.seed == seed }?.value) }
        }
        return ([header] + lines).map { $0.map(csvField).joined(separator: ",") + "\n" }.joined()
    }

    /// An array with one object a cell, one object a line.
    func json(partial: Bool) -> String {
        let besides = self.besides(partial: partial)
        let objects = self.cells.map { cell in
            "  \(object(self.members(of: cell, partial: partial) + (besides[cell.cell]?.members ?? [])))"
        }
        return objects.isEmpty ? "[]\n" : "[\n\(objects.joined(separator: ",\n"))\n]\n"
    }

    private func members(of cell: CellResults, partial: Bool) -> [(String, String)] {
        let summary = cell.summary(partial: partial)
        let values = cell.seeds.filter { $0.outcome.result != nil }
        let failures = cell.seeds.compactMap { seed in
            if case .failed(let message) = seed.outcome { (seed.seed, text(message)) } else { nil }
        }
        func count(_ count: (ShardResult) -> Int?) -> String { number(cell.meanCount(count), orElse: "null") }
        return [
            ("task", text(cell.cell.task)),
            ("method", text(cell.cell.label)),
            ("metric", text(cell.metric.rawValue)),
            ("protocol", text(cell.protocolNames)),
            ("mean", number(summary?.mean, orElse: "null")),
            ("std", number(summary?.standardDeviation, orElse: "null")),
            ("n", String(cell.values.count)),
            ("expected", String(cell.expected)),
            ("values", object(values.map { (String($0.seed), number($0.value, orElse: "null")) })),
            ("failures", object(failures.map { (String($0), $1) })),
            ("trainableParameters", number(cell.trainableParameters, orElse: "null")),
            ("trainableParametersInitial", count { $0.trainableParametersInitial }),
            ("trainableParametersFinal", count { $0.trainableParametersFinal }),
            ("trueParametersInitial", count(\.trueParametersInitial)),
            ("trueParametersFinal", count(\.trueParametersFinal)),
            ("ours", self.ours.contains(cell.cell) ? "true" : "false"),
        ]
    }

    private func besides(partial: Bool) -> [Cell: Beside] {
        guard let published else { return [:] }
        let rows = zip(self.rows, Comparison(self, published, partial: partial).rows)
        let pairs = rows.flatMap { cells, row in
            cells.indices.map { (cells[$0].cell, Beside(row: row, index: $0)) }
        }
        return Dictionary(pairs) { first, _ in first }
    }
}

/// What stands beside one cell, in points.
private struct Beside {
    let row: Comparison.Row
    /// Of the cell in its row.
    let index: Int

    static let columns = [
        "publishedRow", "publishedParameters", "publishedPoints", "differencePoints", "flags", "averagePoints",
        "publishedAveragePoints", "averageDifferencePoints", "averageWithheld",
    ]

    var members: [(String, String)] {
        let values = [
            self.row.published.map { text($0.label) } ?? "null",
            self.row.published.map { text($0.parameters) } ?? "null",
            number(self.row.figures[self.index], orElse: "null"),
            number(self.row.differences[self.index], orElse: "null"),
            "[\(self.row.flags[self.index].map(text).joined(separator: ", "))]",
            number(self.row.averages.ours, orElse: "null"),
            number(self.row.averages.published, orElse: "null"),
            number(self.row.averages.difference, orElse: "null"),
            self.row.averages.reason.map(text) ?? "null",
        ]
        return Array(zip(Self.columns, values))
    }

    var fields: [String] {
        [
            self.row.published?.label ?? "", self.row.published?.parameters ?? "", number(self.row.figures[self.index]),
            number(self.row.differences[self.index]), self.row.flags[self.index].joined(separator: " | "),
            number(self.row.averages.ours), number(self.row.averages.published), number(self.row.averages.difference),
            self.row.averages.reason ?? "",
        ]
    }
}

extension CellResults {
    fileprivate var protocolNames: String {
        self.splits.map(\.splitProtocol.rawValue).withoutRepetitions.joined(separator: "+")
    }
}

private func text(_ value: String) -> String { CanonicalJSON.text(value).written }

/// The shortest form that reads back as the same number.
private func number(_ value: Double?, orElse absent: String = "") -> String {
    value.map { CanonicalJSON.number($0).written } ?? absent
}

/// In the order given, which is the order of the documentation, not of the alphabet.
func object(_ members: [(String, String)]) -> String {
    "{\(members.map { "\(CanonicalJSON.text($0.0).written): \($0.1)" }.joined(separator: ", "))}"
}

private func csvField(_ text: String) -> String {
    guard text.utf8.contains(where: { ",\"\n\r".utf8.contains($0) }) else { return text }
    return "\"\(text.replacing("\"", with: "\"\""))\""
}
