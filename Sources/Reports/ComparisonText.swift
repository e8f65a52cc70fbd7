import Foundation
import Sweeps

// Published figures and differences as lines of the table that people read.

/// Numbered notes below a table. What is said twice has one number.
struct Footnotes {
    private var texts: [String] = []

    /// The marks of these notes, ` ¹,²`; empty where there are none.
    mutating func marks(_ notes: [String]) -> String {
        for note in notes where !self.texts.contains(note) { self.texts.append(note) }
        let numbers = notes.compactMap { self.texts.firstIndex(of: $0) }.sorted()
        return numbers.isEmpty ? "" : " " + numbers.map { Self.raised($0 + 1) }.joined(separator: ",")
    }

    /// In the order of their numbers.
    var lines: [String] { self.texts.enumerated().map { "\(Self.raised($0 + 1)) \($1)" } }

    private static func raised(_ number: Int) -> String {
        String(String(number).compactMap(\.wholeNumberValue).map { Array("⁰¹²³⁴⁵⁶⁷⁸⁹")[$0] })
    }
}

extension Comparison.Row {
    /// The published row's line and, where there is such a row, that of the differences. What must be known of all of
    /// its figures is marked once, at the line's beginning.
    ///
    /// - Parameter columns: one for each task, and one more where the table has averages.
    func lines(below label: String, columns: Int, _ footnotes: inout Footnotes) -> [SweepTable.Line] {
        guard let published else {
            let nothing = SweepTable.Line(
                label: "  published",
                trainableParameters: "–",
                entries: Array(repeating: .init(), count: columns)
            )
            return [nothing]
        }
        let flagged = zip(self.figures, self.flags).filter { $0.0 != nil }.map(\.1)
        let common = (flagged.first ?? []).filter { flag in flagged.allSatisfy { $0.contains(flag) } }
        let name = published.label.lowercased() == label.lowercased() ? "" : " \(published.label)"
        let marks = footnotes.marks(common)
        var figures = zip(self.figures, self.flags).map { figure, flags in
            SweepTable.Entry(
                mean: figure.map(points) ?? "–",
                rest: footnotes.marks(flags.filter { !common.contains($0) })
            )
        }
        var differences = self.differences.map { SweepTable.Entry(mean: $0.map(signed) ?? "–") }
        if columns > figures.count {
            figures.append(.init(mean: self.averages.published.map(points) ?? "–"))
            differences.append(.init(mean: self.averages.difference.map(signed) ?? "–"))
        }
        return [
            .init(label: "  published\(name)\(marks)", trainableParameters: published.parameters, entries: figures),
            .init(label: "  difference", trainableParameters: "", entries: differences),
        ]
    }
}

extension Comparison {
    /// Which averages are withheld, and which rows stand beside nothing.
    func notes(labels: [String], hasAverages: Bool) -> [String] {
        let rows = zip(labels, self.rows)
        let reasons = hasAverages ? self.rows.compactMap(\.averages.reason).withoutRepetitions : []
        let withheld = reasons.map { reason in
            let names = rows.filter { $0.1.averages.reason == reason }.map(\.0)
            return "published average withheld (\(reason)): \(names.joined(separator: ", "))"
        }
        let alone = rows.filter { $0.1.published == nil }.map(\.0)
        guard !alone.isEmpty else { return withheld }
        let labels = self.table.rows.map(\.label).joined(separator: ", ")
        return withheld + ["no published row for \(alone.joined(separator: ", ")); \(self.table.name) has \(labels)"]
    }
}

extension PublishedTable {
    /// Where its figures come from, and what they are of.
    var described: String {
        let seeds = self.runs.seeds.map { "seeds \($0.map(String.init).joined(separator: ", "))" } ?? "seeds not told"
        return
            "\(self.source); \(self.backbone), \(ScoredSplit(splitProtocol: self.splitProtocol, examples: nil)), "
            + "\(self.runs.summary.rawValue) of \(self.runs.count) runs, \(seeds)"
    }
}

/// A number of points as tables print it.
private func points(_ value: Double) -> String { String(format: "%.2f", value) }

/// A difference in points, with its sign.
private func signed(_ value: Double) -> String {
    let text = points(abs(value))
    if text == "0.00" { return text }
    return (value < 0 ? "−" : "+") + text
}
