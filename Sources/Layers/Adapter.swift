public import Tensors

/// What a method adds to a network: a function of rows, whose value is added to other rows.
///
/// The row-wise parts are called for slabs of rows, by several threads at once, and touch these rows only.
public protocol Adapter: Sendable {
    /// Floats that the forward pass keeps for each row.
    var savedColumns: Int { get }
    /// Adds the adapter's part to `y` and keeps what the backward pass needs.
    func forward(_ x: MatrixView, saved: MutableMatrixView, addingTo y: MutableMatrixView)
    /// Adds to `dx` where that is asked for, and leaves in `dSaved`, which has as many columns as were kept, what
    /// ``accumulateGradients(_:x:saved:dSaved:team:)`` needs.
    func backward(_ dy: MatrixView, saved: MatrixView, dSaved: MutableMatrixView, addingTo dx: MutableMatrixView?)
    /// Adds to the gradients of the parameters, over all rows.
    func accumulateGradients(_ dy: MatrixView, x: MatrixView, saved: MatrixView, dSaved: MatrixView, team: Team)
}

/// An adapter and its place at a linear layer.
public struct LayerAddition: Sendable {
    /// With `y` the layer's output for `x`:
    public enum Place: Sendable {
        /// `y + a(dropout(x))`
        case beside
        /// `y + a(y)`
        case after
        /// `h + a(h)`, where `h = dropout(y)` goes into a residual sum.
        case sublayer
        /// `h + a(LayerNorm(h + residual))`, likewise.
        case normed
    }

    public let adapter: any Adapter
    public let place: Place
    /// Of an input that stands beside, in training.
    public let dropoutRate: Float
    /// The number of that dropout's site.
    public var site = 0

    public init(_ adapter: any Adapter, place: Place, dropoutRate: Float = 0) {
        precondition(dropoutRate == 0 || place == .beside, "only an adapter beside a layer has dropout of its own")
        self.adapter = adapter
        self.place = place
        self.dropoutRate = dropoutRate
    }

    /// Whether the linear layer itself knows the adapter, or what follows it.
    var isOfLayer: Bool { self.place == .beside || self.place == .after }
}
