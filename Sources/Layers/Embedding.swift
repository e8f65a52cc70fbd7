public import Tensors

/// A table of vectors, one row an index.
///
///     y[t] += table[index[t]]
///
/// Shapes: `table` is `[entries, width]`, `y` is `[tokens, width]`.
public struct Embedding: Sendable {
    public var table: Parameter
    /// An entry that is never trained, as PyTorch's `padding_idx`.
    public let padding: Int?

    public init(table: Parameter, padding: Int? = nil) {
        self.table = table
        self.padding = padding
    }

    /// - Precondition: every index is below the number of entries.
    public func forward(_ index: some Collection<Int>, addingTo y: MutableMatrixView, rows: Range<Int>) {
        for (row, entry) in zip(rows, index) { Elementwise.add(self.table.value[entry], to: y[row]) }
    }

    /// Adds to the table's gradient, in the order of the tokens.
    public func backward(_ dy: MatrixView, index: [Int], team: Team) {
        guard let gradient = self.table.gradient else { return }
        team.forEachSlab(ofColumns: dy.columns) { columns in
            let (dyPart, sums) = (dy.columns(columns), gradient.columns(columns))
            for row in 0..<dy.rows where index[row] != self.padding {
                Elementwise.add(dyPart[row], to: sums[index[row]])
            }
        }
    }
}
