import Reports
import Sweeps
import Testing

@Suite struct RowAverageTests {
    @Test func `both of MNLI's dev sets are one task, the others one each`() throws {
        let average = try #require(RowAverage([("cola", 60), ("mnli-m", 80), ("rte", 71), ("mnli-mm", 90)]))
        #expect(average.tasks == ["cola", "mnli", "rte"])
        #expect(average.value == 72)
        #expect(RowAverage([("mnli", 85), ("cola", 60)])?.value == 72.5)
        #expect(RowAverage([]) == nil)
    }
}

@Suite struct PublishedTableTests {
    /// The averages as computed, to four decimals, and as printed; where the paper cut off instead of rounding, so
    /// does this.
    private static let averages: [(table: String, row: String, computed: Double, printed: Double, isCut: Bool)] = [
        ("sora", "Fine-tuning", 87.8219, 87.82, false), ("sora", "Adapter", 87.8469, 87.85, false),
        ("sora", "BitFit", 85.1813, 85.18, false), ("sora", "LoRA", 88.3775, 88.38, false),
        ("sora", "AdaLoRA", 88.8269, 88.83, false), ("sora", "SoRA", 89.3581, 89.36, false),
        ("sora", "SoRA r=4", 88.7119, 88.71, false), ("adalora", "Full FT", 88.0963, 88.09, true),
        ("adalora", "BitFit", 86.0200, 86.02, false), ("adalora", "HAdapter 1.22M", 88.1163, 88.12, false),
        ("adalora", "PAdapter 1.18M", 88.2438, 88.24, false), ("adalora", "LoRA r=8", 88.3431, 88.34, false),
        ("adalora", "AdaLoRA 1.27M", 89.3100, 89.31, false), ("adalora", "HAdapter 0.61M", 87.9356, 87.93, true),
        ("adalora", "PAdapter 0.60M", 88.0381, 88.04, false), ("adalora", "HAdapter 0.31M", 87.5956, 87.60, false),
        ("adalora", "PAdapter 0.30M", 87.9006, 87.90, false), ("adalora", "LoRA r=2", 88.1550, 88.15, false),
        ("adalora", "AdaLoRA 0.32M", 88.8638, 88.86, false),
    ]

    /// Goal: every figure is the paper's, and averages are counted as the papers count. Method: from the figures comes
    /// the average that the paper prints. A mistyped figure shows, and so does another way of counting.
    @Test func `every published row has the average that is printed`() throws {
        let rows = PublishedTable.all.flatMap { table in table.rows.map { (table, $0) } }
        for (table, row) in rows where row.average != nil {
            let known = try #require(Self.averages.first { $0.table == table.name && $0.row == row.label })
            let average = try #require(table.average(of: row))
            #expect(abs(average - known.computed) <= 0.5e-4 + 1e-9, "\(row.label): \(average)")
            #expect(row.average == known.printed)
            let distance = average - known.printed
            #expect(known.isCut ? (0..<0.01).contains(distance) : abs(distance) <= 0.005 + 1e-9, "\(row.label)")
        }
        #expect(rows.count { $1.average != nil } == Self.averages.count)
    }

    @Test func `every column is a task, every method and setting one of ours`() throws {
        for table in PublishedTable.all {
            let tasks = try table.tasks.map { try TaskDescription.named($0) }
            #expect(Set(table.rows.map(\.label)).count == table.rows.count)
            for row in table.rows {
                // As many figures as the task has measures that tables print.
                let printed = tasks.map { ["qqp", "mnli"].contains($0.name) ? 2 : 1 }
                #expect(row.figures.map(\.count) == printed, "\(table.name), \(row.label)")
                guard let name = row.method else { continue }
                #expect(throws: Never.self) { try MethodDescription.named(name).resolve(row.settings) }
            }
        }
    }
}
