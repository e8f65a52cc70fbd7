public import Tensors

/// One parameter of a network, somewhere in memory: in a mapped file or a method's frozen memory (no gradient),
/// or among the trainable parameters (with one).
public struct Parameter: Sendable {
    /// As in the backbone's files, such as `encoder.layer.0.attention.self.query.weight`.
    public let name: String
    public let value: MatrixView
    /// `nil`: frozen. Nothing is computed for it.
    public let gradient: MutableMatrixView?

    public init(name: String, value: MatrixView, gradient: MutableMatrixView? = nil) {
        precondition(
            gradient.map { $0.rows == value.rows && $0.columns == value.columns } ?? true,
            "\(name): the gradient's shape differs"
        )
        self.name = name
        self.value = value
        self.gradient = gradient
    }

    public var isTrainable: Bool { self.gradient != nil }

    /// The only row of a vector.
    var row: UnsafeBufferPointer<Float> { self.value[0] }
}

/// What every layer needs in one pass over a batch: threads, memory and, in training, the random numbers of dropout.
public struct Pass {
    public let team: Team
    public let arena: Arena
    /// `nil` in evaluation.
    public let dropout: Dropout?

    public init(team: Team, arena: Arena, dropout: Dropout? = nil) {
        self.team = team
        self.arena = arena
        self.dropout = dropout
    }
}

/// Adds the column sums of `dy` to a bias's gradient: `db += Σ_rows dy`.
public func accumulateColumnSums(_ dy: MatrixView, into gradient: MutableMatrixView, team: Team) {
    team.forEachSlab(ofColumns: dy.columns) { columns in
        let (part, sums) = (dy.columns(columns), gradient.columns(columns)[0])
        for row in 0..<part.rows { Elementwise.add(part[row], to: sums) }
    }
}
