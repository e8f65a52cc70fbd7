import ArgumentParser
import Foundation
import Sweeps

/// `quintet plan`
struct Plan: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print what a grid's shards are trained with: every value, what set it, and who says it."
    )

    @Argument(help: ArgumentHelp("The grid, a YAML file.", valueName: "grid.yaml"))
    var grid: String

    @Option(name: .customLong("method"), help: "Only this row: its label, or a method's name.")
    var methods: [String] = []

    @Option(name: .customLong("task"), help: "Only this column.")
    var tasks: [String] = []

    @Option(help: "How it is written.")
    var format = PlanFormat.terminal

    func run() throws {
        let sweep = try SweepDefinition(yaml: try readText(self.grid, what: "grid"), file: self.grid)
        let plan = try GridPlan(of: sweep, methods: self.methods, tasks: self.tasks)
        let output = Terminal.standardOutput
        output.write(try plan.rendered(as: self.format, styled: output.isStyled))
    }
}

/// How a plan is written.
enum PlanFormat: String, CaseIterable, ExpressibleByArgument {
    case terminal
    /// One object with an array of cells.
    case json
}

/// A grid's shards with all their values, or those of some of its rows and columns.
struct GridPlan {
    let sweep: SweepDefinition
    let cells: [CellPlan]

    /// - Parameters:
    ///   - methods: labels or names; none stand for all.
    ///   - tasks: none stand for all.
    /// - Throws: ``UnknownName`` for what the grid does not have.
    init(of sweep: SweepDefinition, methods: [String] = [], tasks: [String] = []) throws {
        let labels = sweep.methods.map(\.label) + sweep.methods.map(\.method)
        for name in methods where !labels.contains(name) {
            throw UnknownName(kind: "method of this sweep", name: name, known: labels)
        }
        let tasks = try tasks.map { name in try TaskDescription.named(name).name }
        for name in tasks where !sweep.tasks.contains(name) {
            throw UnknownName(kind: "task of this sweep", name: name, known: sweep.tasks)
        }
        self.sweep = sweep
        self.cells = try sweep.cellPlans().filter { plan in
            (methods.isEmpty || methods.contains(plan.cell.label) || methods.contains(plan.cell.method))
                && (tasks.isEmpty || tasks.contains(plan.cell.task))
        }
    }

    func rendered(as format: PlanFormat, styled: Bool = false) throws -> String {
        switch format {
        case .terminal: PlanText(self, styled: styled).text
        case .json: try self.json
        }
    }

    private var json: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            return String(decoding: try encoder.encode(PlanExport(self)), as: UTF8.self) + "\n"
        }
    }
}

/// A plan for programs.
private struct PlanExport: Encodable {
    struct Value: Encodable {
        let name: String
        let value: SettingValue
        let rule: String
        let source: String?
        let place: String?
    }

    struct Cell: Encodable {
        let method: String
        let label: String
        let preset: String?
        let task: String
        let seeds: [Int]
        /// Whether a value that decides the result is `ours`.
        let ours: Bool
        let settings: [Value]
    }

    let sweep: String
    let backbone: String
    /// Of the cells below.
    let shards: Int
    let cells: [Cell]

    init(_ plan: GridPlan) {
        self.sweep = plan.sweep.name
        self.backbone = plan.sweep.backbone
        self.shards = plan.cells.reduce(0) { $0 + $1.seeds.count }
        self.cells = plan.cells.map { cell in
            Cell(
                method: cell.cell.method,
                label: cell.cell.label,
                preset: cell.preset,
                task: cell.cell.task,
                seeds: cell.seeds,
                ours: cell.hasOwnValues,
                settings: cell.values.map { value in
                    Value(
                        name: value.name,
                        value: value.value,
                        rule: "\(value.rule)",
                        source: value.source?.origin.rawValue,
                        place: value.source?.place
                    )
                }
            )
        }
    }
}
