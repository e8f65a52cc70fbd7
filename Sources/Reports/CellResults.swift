public import Sweeps

/// Where one shard stands, as far as a report is concerned.
public enum ShardOutcome: Hashable, Sendable {
    case finished(ShardResult)
    /// Given up, and why.
    case failed(String)
    /// Waiting, running, or interrupted.
    case unfinished
}

/// The examples that a score is of.
public struct ScoredSplit: Hashable, Sendable, CustomStringConvertible {
    public let splitProtocol: SplitProtocol
    /// `nil`: all of the split's.
    public let examples: Int?

    /// `test (soraSplit42)`, `500 examples of validation (fullDev)`.
    public var description: String {
        "\(self.examples.map { "\($0) examples of " } ?? "")\(self.splitProtocol.reported) (\(self.splitProtocol.rawValue))"
    }
}

/// A cell of the table: an outcome for each of its seeds.
public struct CellResults: Hashable, Sendable {
    /// One seed of the cell.
    public struct Seed: Hashable, Sendable {
        public let seed: Int
        /// The shard's name, for people.
        public let name: String
        public let outcome: ShardOutcome
        /// The cell's metric; `nil` without a result, and where the metric is undefined.
        public let value: Double?
        /// How its trainable parameters are counted.
        public let countingRule: Hyperparameters.CountingRule
    }

    public let cell: Cell
    /// The measure that the table prints: the task's primary one, or that of the figures that it is put beside.
    public let metric: MetricName
    /// What its scores are of: one split, unless overrides give seeds different ones.
    public let splits: [ScoredSplit]
    /// In the order of the grid.
    public let seeds: [Seed]
    /// The settings of its shards, each once: one, unless overrides give seeds different ones.
    let settings: [Settings]

    fileprivate init(
        cell: Cell,
        shards: [(shard: PlannedShard, outcome: ShardOutcome)],
        measures: [String: MetricName]
    ) throws {
        let metric = try measures[cell.task] ?? TaskDescription.named(cell.task).primary
        self.cell = cell
        self.metric = metric
        self.settings = shards.map(\.shard.settings).withoutRepetitions
        self.splits =
            shards.map { shard, _ in
                let hyperparameters = Hyperparameters(shard.settings)
                return ScoredSplit(
                    splitProtocol: hyperparameters.splitProtocol,
                    examples: hyperparameters.evaluationExamples
                )
            }.withoutRepetitions
        self.seeds = shards.map { shard, outcome in
            Seed(
                seed: shard.seed,
                name: shard.name,
                outcome: outcome,
                value: outcome.result?.scored.metrics[metric].flatMap { $0.isFinite ? $0 : nil },
                countingRule: Hyperparameters(shard.settings).countingRule
            )
        }
    }

    /// The number of seeds that the grid asks for.
    public var expected: Int { self.seeds.count }

    /// The values that are there, in the order of the grid.
    public var values: [Double] { self.seeds.compactMap(\.value) }

    /// Whether every seed has a value: only then do its numbers stand beside other cells'.
    public var isComplete: Bool { self.values.count == self.expected }

    /// Mean and deviation; for a cell that is not complete only where `partial` asks for it.
    public func summary(partial: Bool) -> SeedSummary? {
        self.isComplete || partial ? SeedSummary(self.values) : nil
    }

    /// Trainable parameters outside the head at the end of training, each seed's by its own counting rule, as the mean
    /// over the finished seeds.
    public var trainableParameters: Double? {
        SeedSummary(
            self.seeds.compactMap { seed in
                seed.outcome.result.map { Double($0.parameters(by: seed.countingRule)) }
            }
        )?.mean
    }

    /// The mean of a count over the finished seeds; `nil` where one of them lacks it.
    func meanCount(_ count: (ShardResult) -> Int?) -> Double? {
        let results = self.seeds.compactMap(\.outcome.result)
        let counts = results.compactMap(count)
        return counts.count == results.count ? SeedSummary(counts.map(Double.init))?.mean : nil
    }
}

extension CellResults {
    /// Groups a sweep's shards by cell, in the order of the grid.
    ///
    /// - Parameter measures: for tasks by name; others have their primary one.
    /// - Throws: `UnknownName` where a cell's task is none of this version's.
    public static func grouping(
        _ shards: [(shard: PlannedShard, outcome: ShardOutcome)],
        measures: [String: MetricName] = [:]
    ) throws -> [CellResults] {
        let byCell = Dictionary(grouping: shards) { $0.shard.cell }
        return try shards.map(\.shard.cell).withoutRepetitions.map { cell in
            try CellResults(cell: cell, shards: byCell[cell] ?? [], measures: measures)
        }
    }
}

extension ShardOutcome {
    var result: ShardResult? {
        if case .finished(let result) = self { result } else { nil }
    }
}

extension Sequence where Element: Hashable {
    /// Each element once, where it first stands.
    var withoutRepetitions: [Element] {
        var seen: Set<Element> = []
        return self.filter { seen.insert($0).inserted }
    }
}
