public import Sweeps

/// How a report is written.
public enum ReportFormat: String, CaseIterable, Sendable {
    /// Aligned columns; `styled` adds the terminal's own bold and underline.
    case terminal
    case markdown
    /// One line a cell, numbers unrounded.
    case csv
    /// An array with one object a cell, numbers unrounded.
    case json
}

/// The results of a sweep, averaged over seeds. The same results give the same bytes, whatever way led to them.
public struct SweepReport: Hashable, Sendable {
    public let sweep: String
    public let backbone: String
    /// In the order of the grid: methods outermost, then tasks.
    public let cells: [CellResults]
    /// Cells of which some settings are neither a paper's nor a release's.
    public let ours: Set<Cell>
    /// What stands beside its cells.
    public let published: PublishedTable?

    /// - Parameters:
    ///   - shards: every shard of the grid in its fixed order, with what is known of it.
    ///   - ours: cells of which some settings are neither a paper's nor a release's; the table marks them.
    ///   - published: a table to put beside it, whose measures are then also the sweep's.
    /// - Throws: `UnknownName` where a task is none of this version's.
    public init(
        sweep: String,
        backbone: String,
        shards: [(shard: PlannedShard, outcome: ShardOutcome)],
        ours: Set<Cell> = [],
        against published: PublishedTable? = nil
    ) throws {
        self.sweep = sweep
        self.backbone = backbone
        self.cells = try CellResults.grouping(shards, measures: published?.measures ?? [:])
        self.ours = ours
        self.published = published
    }

    /// The cells of each label, in the order of the grid.
    var rows: [[CellResults]] {
        let byLabel = Dictionary(grouping: self.cells, by: \.cell.label)
        return self.cells.map(\.cell.label).withoutRepetitions.map { byLabel[$0] ?? [] }
    }

    /// The report as text that ends with a line feed.
    ///
    /// - Parameters:
    ///   - partial: averages what is there in cells that are not complete, and says of how many seeds. Such cells
    ///     are never best or second.
    ///   - styled: marks best and second with terminal codes; for ``ReportFormat/terminal`` only.
    public func rendered(as format: ReportFormat, partial: Bool = false, styled: Bool = false) -> String {
        switch format {
        case .terminal: SweepTable(self, partial: partial).terminal(styled: styled)
        case .markdown: SweepTable(self, partial: partial).markdown
        case .csv: self.csv(partial: partial)
        case .json: self.json(partial: partial)
        }
    }
}
