import Sweeps

/// A plan for people: what all cells have alike stands once, then what a method's have, then what differs by task.
struct PlanText {
    /// One value, the rules that set it, and the cells that have it.
    private struct Row {
        var value: PlannedValue
        var rules: [SettingRule]
        /// Empty where it is every cell of its part.
        var cells: String
    }

    /// A title and the rows under it.
    private struct Part {
        var title: String
        var alike: [Row]
        var differing: [Row]
    }

    private let sweep: SweepDefinition
    private let cells: [CellPlan]
    private let styled: Bool

    init(_ plan: GridPlan, styled: Bool) {
        (self.sweep, self.cells, self.styled) = (plan.sweep, plan.cells, styled)
    }

    var text: String {
        let parts = self.parts
        let rows = [Self.header] + parts.flatMap { $0.alike + $0.differing }.map(Self.fields)
        let widths = (0..<4).map { column in rows.map { $0[column].count }.max() ?? 0 }
        var lines = [self.headline, "", Self.line("  ", Self.header, widths: widths)]
        for part in parts {
            lines += ["", self.bold(part.title)] + part.alike.map { self.line($0, widths: widths) }
            // A name stands once above its other values.
            var last: String?
            for row in part.differing {
                lines.append(self.line(row, widths: widths, isNamed: row.value.name != last))
                last = row.value.name
            }
        }
        return (lines + self.legend).joined(separator: "\n") + "\n"
    }

    private var parts: [Part] {
        // Of one method alone everything stands under its name.
        let shared = Set(self.cells.map(\.cell.label)).count > 1 ? Self.alike(self.cells) : []
        let names = Set(shared.map(\.value.name))
        var parts = [Part(title: "all cells", alike: shared, differing: [])]
        for method in self.sweep.methods {
            let mine = self.cells.filter { $0.cell.label == method.label }
            let own = Self.alike(mine).filter { !names.contains($0.value.name) }
            let differing = Self.differing(mine, beside: names.union(own.map(\.value.name)))
            parts.append(Part(title: Self.title(method), alike: own, differing: differing))
        }
        return parts.filter { !$0.alike.isEmpty || !$0.differing.isEmpty }
    }

    /// The values that all of these cells have, of the same source and set by at most two kinds of rules.
    private static func alike(_ cells: [CellPlan]) -> [Row] {
        guard let first = cells.first else { return [] }
        let others = cells.map { cell in
            Dictionary(uniqueKeysWithValues: cell.values.map { ($0.name, $0) })
        }
        return first.values.compactMap { value in
            var rules: [SettingRule] = []
            for other in others {
                guard let twin = other[value.name], twin.value == value.value, twin.source == value.source else {
                    return nil
                }
                if !rules.contains(twin.rule) { rules.append(twin.rule) }
            }
            return Self.kinds(rules).count <= 2 ? Row(value: value, rules: rules, cells: "") : nil
        }
    }

    /// Several presets are one kind, since which one is a method's stands in its title; and several overrides.
    private static func kinds(_ rules: [SettingRule]) -> [String] {
        var (others, presets, numbers): ([String], [String], [Int]) = ([], [], [])
        for rule in rules {
            switch rule {
            case .preset: presets.append("\(rule)")
            case .override(let number, _): numbers.append(number)
            default: others.append("\(rule)")
            }
        }
        if presets.count > 1 { presets = ["presets"] }
        guard numbers.count > 1 else { return others + presets + rules.filter(\.isOverride).map { "\($0)" } }
        return others + presets + ["overrides \(numbers.sorted().map(String.init).joined(separator: ", "))"]
    }

    /// The other values of one method's cells, by name, each with its cells.
    private static func differing(_ cells: [CellPlan], beside names: Set<String>) -> [Row] {
        let order = cells.first.flatMap { try? MethodDescription.named($0.cell.method) }?.allSettings ?? []
        return order.filter { !names.contains($0.name) }.flatMap { setting in
            var variants: [(row: Row, cells: [CellPlan])] = []
            for cell in cells {
                guard let value = cell.values.first(where: { $0.name == setting.name }) else { continue }
                let same = variants.firstIndex {
                    $0.row.value.value == value.value && $0.row.value.source == value.source
                }
                if same == nil { variants.append((Row(value: value, rules: [], cells: ""), [])) }
                let index = same ?? variants.count - 1
                variants[index].cells.append(cell)
                if !variants[index].row.rules.contains(value.rule) { variants[index].row.rules.append(value.rule) }
            }
            return variants.map { row, having in
                Row(value: row.value, rules: row.rules, cells: Self.title(having, of: cells))
            }
        }
    }

    /// The tasks of some of a method's cells; with the seeds where a task's seeds differ.
    private static func title(_ cells: [CellPlan], of all: [CellPlan]) -> String {
        cells.map { plan in
            let isWhole = all.count { $0.cell == plan.cell } == 1
            let seeds = "\(plan.seeds.count == 1 ? "seed" : "seeds") \(Self.list(plan.seeds))"
            return plan.cell.task + (isWhole ? "" : " (\(seeds))")
        }.joined(separator: ", ")
    }

    private static func title(_ method: SweepDefinition.Method) -> String {
        let name = method.label == method.method ? [] : [method.method]
        let notes = name + (method.preset.map { ["preset \($0)"] } ?? [])
        return method.label + (notes.isEmpty ? "" : " (\(notes.joined(separator: ", ")))")
    }

    private static func fields(_ row: Row) -> [String] {
        let value = row.value
        return [
            value.name,
            value.value == .list(MethodDescription.linearLayers) ? "all six" : "\(value.value)",
            Self.kinds(row.rules).joined(separator: ", "), value.source.map { "\($0)" } ?? "–", row.cells,
        ]
    }

    private static let header = ["", "value", "set by", "source", "tasks"]

    private func line(_ row: Row, widths: [Int], isNamed: Bool = true) -> String {
        var fields = Self.fields(row)
        if !isNamed { fields[0] = "" }
        let isOurs = row.value.source?.origin == .ours
        let text = Self.line(isOurs ? "* " : "  ", fields, widths: widths)
        return isOurs ? self.bold(text) : text
    }

    /// All fields but the last as wide as their columns.
    private static func line(_ mark: String, _ fields: [String], widths: [Int]) -> String {
        let padded = zip(fields, widths).map { field, width in
            field + String(repeating: " ", count: max(0, width - field.count))
        }
        var text = mark + (padded + fields.suffix(1)).joined(separator: "  ")
        while text.last == " " { text.removeLast() }
        return text
    }

    private var headline: String {
        let (methods, tasks, seeds) = (self.sweep.methods.count, self.sweep.tasks.count, self.sweep.seeds.count)
        let factors = [(methods, "method"), (tasks, "task"), (seeds, "seed")].map(Self.count).joined(separator: " × ")
        return self.bold(self.sweep.name)
            + " on \(self.sweep.backbone): \(Self.count(methods * tasks * seeds, "shard")) = \(factors) "
            + "(\(Self.list(self.sweep.seeds)))"
    }

    /// What the mark means, and how many cells have it.
    private var legend: [String] {
        let own = Set(self.cells.filter(\.hasOwnValues).map(\.cell)).count
        guard own > 0 else { return [] }
        let all = Set(self.cells.map(\.cell)).count
        return ["", "* ours: chosen here, nobody published it; in \(own) of \(Self.count(all, "cell"))"]
    }

    private static func list(_ seeds: [Int]) -> String {
        (seeds.prefix(10).map(String.init) + (seeds.count > 10 ? ["…"] : [])).joined(separator: ", ")
    }

    private static func count(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

    private func bold(_ text: String) -> String { self.styled ? "\u{1b}[1m\(text)\u{1b}[22m" : text }
}

extension SettingRule {
    fileprivate var isOverride: Bool { if case .override = self { true } else { false } }
}
