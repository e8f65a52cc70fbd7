import Foundation

// The table as text, for terminals and for Markdown.

extension SweepTable {
    /// Columns of equal width, decimal points below each other.
    func terminal(styled: Bool) -> String {
        let style = styled ? MarkStyle.codes : MarkStyle.plain
        let first = TextColumn(title: "method", cells: self.labels, isLeft: true)
        let second = TextColumn(title: "trainable", cells: self.trainableParameters, isLeft: false)
        let scores = self.columns.map { column in
            let means = column.entries.map(\.mean.count).max() ?? 0
            return TextColumn(
                title: column.title,
                cells: column.entries.map { style.marked($0, mean: $0.mean.padded(to: means, isLeft: false)) },
                widths: column.entries.map { means + $0.rest.count },
                isLeft: true
            )
        }
        let table = [first, second] + scores
        var lines = [style.bold(oneLine(self.title, limit: 200)), ""]
        lines.append(table.map(\.header).joined(separator: "  "))
        lines.append(String(repeating: "─", count: table.map(\.width).reduce(0, +) + 2 * (table.count - 1)))
        lines += self.labels.indices.map { row in table.map { $0.line(row) }.joined(separator: "  ") }
        lines += ["", style.dim(self.caption(hasMarks: styled))] + self.notes
        return lines.map(\.withoutTrailingBlanks).joined(separator: "\n") + "\n"
    }

    /// A table as GitHub's Markdown has it, legible as it stands.
    var markdown: String {
        let first = TextColumn(
            title: "method",
            cells: self.labels.map(escaped),
            isLeft: true
        )
        let second = TextColumn(title: "trainable parameters", cells: self.trainableParameters, isLeft: false)
        let scores = self.columns.map { column in
            TextColumn(
                title: escaped(column.title),
                cells: column.entries.map { MarkStyle.markdown.marked($0, mean: $0.mean) },
                isLeft: false
            )
        }
        let table = [first, second] + scores
        func row(_ cells: [String]) -> String { "| \(cells.joined(separator: " | ")) |" }
        var lines = ["**\(escaped(oneLine(self.title, limit: 200)))**. \(self.caption(hasMarks: true))", ""]
        lines.append(row(table.map(\.header)))
        lines.append(
            "|\(table.map { $0.isLeft ? ":\(dashes($0.width + 1))" : "\(dashes($0.width + 1)):" }.joined(separator: "|"))|"
        )
        lines += self.labels.indices.map { index in row(table.map { $0.line(index) }) }
        if !self.notes.isEmpty { lines += [""] + self.notes.map { "- \(escaped($0))" } }
        return lines.joined(separator: "\n") + "\n"
    }
}

/// A column of texts that are padded to one width.
private struct TextColumn {
    let title: String
    let cells: [String]
    /// What each cell takes up on screen; marks take up nothing.
    let widths: [Int]
    let isLeft: Bool

    init(title: String, cells: [String], widths: [Int]? = nil, isLeft: Bool) {
        self.title = title
        self.cells = cells
        self.widths = widths ?? cells.map(\.count)
        self.isLeft = isLeft
    }

    var width: Int { max(self.title.count, self.widths.max() ?? 0) }
    var header: String { self.title.padded(to: self.width, isLeft: self.isLeft) }

    func line(_ row: Int) -> String {
        let padding = String(repeating: " ", count: self.width - self.widths[row])
        return self.isLeft ? self.cells[row] + padding : padding + self.cells[row]
    }
}

/// How best and second are set apart.
struct MarkStyle {
    var best: (String, String)
    var second: (String, String)
    var faint: (String, String)

    static let plain = MarkStyle(best: ("", ""), second: ("", ""), faint: ("", ""))
    static let codes = MarkStyle(
        best: ("\u{1b}[1m", "\u{1b}[22m"),
        second: ("\u{1b}[4m", "\u{1b}[24m"),
        faint: ("\u{1b}[2m", "\u{1b}[22m")
    )
    static let markdown = MarkStyle(best: ("**", "**"), second: ("<u>", "</u>"), faint: ("", ""))

    func bold(_ text: String) -> String { self.best.0 + text + self.best.1 }
    func dim(_ text: String) -> String { self.faint.0 + text + self.faint.1 }

    /// The entry with its mark; blanks that pad the mean stay outside of it.
    func marked(_ entry: SweepTable.Entry, mean: String) -> String {
        let (before, after) =
            switch entry.mark {
            case .none: ("", "")
            case .best: self.best
            case .second: self.second
            }
        return String(repeating: " ", count: mean.count - entry.mean.count) + before + entry.mean + after + entry.rest
    }
}

/// A share as tables print it: × 100, two decimals.
func percent(_ value: Double) -> String {
    let text = String(format: "%.2f", value * 100)
    return text == "-0.00" ? "0.00" : text
}

/// A count with its thousands apart.
package func grouped(_ count: Int) -> String {
    let digits = Array(String(count.magnitude))
    let groups = digits.indices.map { ($0 > 0 && (digits.count - $0) % 3 == 0 ? "," : "") + String(digits[$0]) }
    return (count < 0 ? "-" : "") + groups.joined()
}

/// A text that others wrote, on one line, without control codes, and not endless.
package func oneLine(_ text: String, limit: Int) -> String {
    let scalars = text.unicodeScalars.map { scalar in
        scalar.properties.generalCategory == .control ? " " : Character(scalar)
    }
    let words = String(scalars).split(separator: " ").joined(separator: " ")
    return words.count <= limit ? words : "\(words.prefix(limit - 1))…"
}

/// A text that Markdown shows as it is.
private func escaped(_ text: String) -> String {
    text.map { "\\|*_~&<`[".contains($0) ? "\\\($0)" : String($0) }.joined()
}

private func dashes(_ count: Int) -> String { String(repeating: "-", count: count) }

extension String {
    func padded(to width: Int, isLeft: Bool) -> String {
        let padding = String(repeating: " ", count: Swift.max(0, width - self.count))
        return isLeft ? self + padding : padding + self
    }

    var withoutTrailingBlanks: String {
        var text = self
        while text.last == " " { text.removeLast() }
        return text
    }
}
