public import Sweeps

/// A table that a paper prints, with how its figures came about. See ``all`` for those that are known.
public struct PublishedTable: Hashable, Sendable {
    /// How many runs a figure stands for, and what it is of them.
    public struct Runs: Hashable, Sendable {
        public enum Summary: String, Hashable, Sendable { case mean, median }

        public let count: Int
        /// `nil`: nobody has told.
        public let seeds: [Int]?
        public let summary: Summary
    }

    /// What is doubtful about a row.
    public struct Note: Hashable, Sendable {
        /// The column that it is about; `nil`: all of the row.
        public let task: String?
        public let text: String
    }

    /// One row. Figures are in points, as printed.
    public struct Row: Hashable, Sendable {
        /// Its method and, where that does not tell it from other rows, its size.
        public let label: String
        /// Its method's name in a grid; `nil` where there is none.
        public let method: String?
        /// What its size is in settings of that method.
        public let settings: Settings
        /// The parameters, as printed.
        public let parameters: String
        /// For each of the table's tasks the figures that are printed: two for QQP and MNLI.
        public let figures: [[Double]]
        /// The average, as printed.
        public let average: Double?
        public let notes: [Note]
    }

    /// What `--against` calls it.
    public let name: String
    /// The work and the number of the table in it.
    public let source: String
    /// The encoder, by the name that grids have for it.
    public let backbone: String
    public let splitProtocol: SplitProtocol
    public let runs: Runs
    /// The columns, by the names of tasks in grids; both of MNLI's dev sets are one.
    public let tasks: [String]
    /// Where a figure is not of the task's primary measure.
    public let measures: [String: MetricName]
    /// What is to be known of all rows.
    public let notes: [Note]
    public let rows: [Row]

    /// The tables that a sweep can be put beside.
    public static let all = [sora, adalora, alora]

    /// The row's average over the table's tasks, in points and not rounded.
    public func average(of row: Row) -> Double? {
        RowAverage(zip(self.tasks, row.figures).flatMap { task, figures in figures.map { (task, $0) } })?.value
    }

    /// The figure beside a grid's column of that task: the mean of two where both are the column's.
    func figure(of task: String, in row: Row) -> Double? {
        guard let column = self.tasks.firstIndex(of: RowAverage.task(of: task)) else { return nil }
        guard let half = RowAverage.halves.firstIndex(of: task) else { return SeedSummary(row.figures[column])?.mean }
        return row.figures[column].indices.contains(half) ? row.figures[column][half] : nil
    }

    /// What is to be known of a row's figure of that task.
    func notes(of task: String, in row: Row) -> [String] {
        (self.notes + row.notes).filter { note in
            guard let subject = note.task else { return true }
            return subject == task || (task == "mnli" && RowAverage.halves.contains(subject))
        }.map(\.text)
    }
}
