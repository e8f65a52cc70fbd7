/// A row's average over tasks, as the published tables have it: each task counts once. Where a table prints two figures
/// of a task (QQP's accuracy and F1, MNLI's two dev sets), their mean is what counts, whether one run or two gave them.
///
///     average = Σ over tasks (Σ figures of the task / their number) / number of tasks
public struct RowAverage: Hashable, Sendable {
    /// What was averaged, each once.
    public let tasks: [String]
    public let value: Double

    /// - Parameter figures: at least one a task, all in one unit; they are summed in the order given. No figures give
    ///   `nil`.
    public init?(_ figures: [(task: String, figure: Double)]) {
        let byTask = Dictionary(grouping: figures) { Self.task(of: $0.task) }
        self.tasks = figures.map { Self.task(of: $0.task) }.withoutRepetitions
        let means = self.tasks.compactMap { task in SeedSummary(byTask[task, default: []].map(\.figure))?.mean }
        guard let mean = SeedSummary(means)?.mean else { return nil }
        self.value = mean
    }

    /// What a column counts as: runs on one of MNLI's two dev sets are one task.
    static func task(of column: String) -> String { Self.halves.contains(column) ? "mnli" : column }

    /// Columns that are together one task, in the order in which tables print them.
    static let halves = ["mnli-m", "mnli-mm"]
}
