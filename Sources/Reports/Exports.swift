import Sweeps

// The report for programs: every number as it is, nothing rounded, nothing where nothing is defined.

extension SweepReport {
    /// One line a cell (RFC 4180, lines end with a line feed); a column a seed. An undefined number is empty.
    func csv(partial: Bool) -> String {
        let seeds = self.cells.flatMap { $0.seeds.map(\.seed) }.withoutRepetitions
        let header =
            ["task", "method", "metric", "protocol", "mean", "std", "n", "expected", "trainableParameters"]
            + seeds.map { "seed\($0)" }
        let lines = self.cells.map { cell in
            let summary = cell.summary(partial: partial)
            return [
                cell.cell.task, cell.cell.label, cell.metric.rawValue, cell.protocolNames, number(summary?.mean),
                number(summary?.standardDeviation), String(cell.values.count), String(cell.expected),
                number(cell.trainableParameters),
            ] + seeds.map { seed in number(cell.seeds.first { $0.seed == seed }?.value) }
        }
        return ([header] + lines).map { $0.map(csvField).joined(separator: ",") + "\n" }.joined()
    }

    /// An array with one object a cell, one object a line.
    func json(partial: Bool) -> String {
        let objects = self.cells.map { cell in
            let summary = cell.summary(partial: partial)
            let values = cell.seeds.filter { $0.outcome.result != nil }
            let failures = cell.seeds.compactMap { seed in
                if case .failed(let message) = seed.outcome {
                    (seed.seed, CanonicalJSON.text(message).written)
                } else {
                    nil
                }
            }
            let members: [(String, String)] = [
                ("task", CanonicalJSON.text(cell.cell.task).written),
                ("method", CanonicalJSON.text(cell.cell.label).written),
                ("metric", CanonicalJSON.text(cell.metric.rawValue).written),
                ("protocol", CanonicalJSON.text(cell.protocolNames).written),
                ("mean", number(summary?.mean, orElse: "null")),
                ("std", number(summary?.standardDeviation, orElse: "null")),
                ("n", String(cell.values.count)),
                ("expected", String(cell.expected)),
                ("values", object(values.map { (String($0.seed), number($0.value, orElse: "null")) })),
                ("failures", object(failures.map { (String($0), $1) })),
                ("trainableParameters", number(cell.trainableParameters, orElse: "null")),
            ]
            return "  \(object(members))"
        }
        return objects.isEmpty ? "[]\n" : "[\n\(objects.joined(separator: ",\n"))\n]\n"
    }
}

extension CellResults {
    fileprivate var protocolNames: String {
        self.splits.map(\.splitProtocol.rawValue).withoutRepetitions.joined(separator: "+")
    }
}

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
