public import ArgumentParser
import Coordination
import CoordinatorShell
public import Reports
import Sweeps

/// `quintet collect`
struct Collect: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Print a sweep's table: one row a method, one column a task, averaged over seeds."
    )

    @OptionGroup var state: StateOptions

    @Argument(help: "The sweep; without it, the one launched last.")
    var sweep: String?

    @Option(help: "How the table is written.")
    var format = ReportFormat.terminal

    @Flag(help: "Average what is there in cells that lack seeds, and say of how many.")
    var partial = false

    @Option(
        help: ArgumentHelp(
            "Put a paper's table beside it: its figures, the differences, and what is not alike.",
            valueName: "table"
        )
    )
    var against: PublishedTable?

    func run() async throws {
        let store = try await self.state.readableStore()
        let report = try SweepReport(of: try store.sweep(named: self.sweep), in: store, against: self.against)
        let output = Terminal.standardOutput
        output.write(report.rendered(as: self.format, partial: self.partial, styled: output.isStyled))
    }
}

extension ReportFormat: ExpressibleByArgument {}

extension PublishedTable: ExpressibleByArgument {
    public init?(argument: String) {
        guard let table = Self.all.first(where: { $0.name == argument }) else { return nil }
        self = table
    }

    public static var allValueStrings: [String] { Self.all.map(\.name) }
}

extension SweepReport {
    /// What the store knows of a sweep, as a report.
    init(of sweep: StoredSweep, in store: Store, against published: PublishedTable? = nil) throws {
        let shards = try store.shards(of: sweep).map { (shard: $0.planned, outcome: ShardOutcome($0)) }
        let grid = try sweep.grid()
        try self.init(
            sweep: sweep.name,
            backbone: grid.backbone,
            shards: shards,
            ours: try grid.cellsWithOwnValues(),
            against: published
        )
    }
}

extension ShardOutcome {
    fileprivate init(_ shard: SweepShard) {
        if let result = shard.result {
            self = .finished(result)
        } else if shard.givenUp != nil {
            self = .failed(shard.failures?.last?.message ?? "no reason is known")
        } else {
            self = .unfinished
        }
    }
}
