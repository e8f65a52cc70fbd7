internal import Layers
internal import Tensors

/// The layer between the first token's hidden state and the last layer of a head.
///
///     y = dropout(f(W dropout(x) + b))
///
/// In BERT and RoBERTa `f` is tanh; DeBERTa's configuration names it.
///
/// Shapes: `x` and `y` are `[sequences, hidden]`.
struct Pooler {
    private let linear: Linear
    private let activation: Activation
    private let dropout: (before: Float, after: Float)

    /// - Returns: nil where the head has no such layer.
    init?(_ head: Head, _ configuration: EncoderConfiguration, store: ParameterStore) {
        guard let path = configuration.poolerPath(head) else { return nil }
        self.linear = store.linear(path)
        self.activation = configuration.poolerActivation
        self.dropout = configuration.poolerDropout(head)
    }

    /// What the backward pass needs.
    struct Saved {
        let before: RowDropout?
        let linear: Linear.Saved
        /// The activation's derivative.
        let slope: MatrixView
        let after: RowDropout?
    }

    func forward(_ x: MatrixView, places: [Int], pass: Pass) -> (y: MatrixView, saved: Saved) {
        let rows = places.map { Dropout.row(place: $0, token: 0) }
        let before = RowDropout(pass, site: DropoutSite.pooler, rate: self.dropout.before, rows: rows)
        let after = RowDropout(pass, site: DropoutSite.classifier, rate: self.dropout.after, rows: rows)
        let dropped = pass.arena.matrix(rows: x.rows, columns: x.columns)
        dropped.copy(x)
        before?.apply(to: dropped, rows: 0..<x.rows)
        let inner = pass.arena.matrix(rows: x.rows, columns: x.columns)
        let y = pass.arena.matrix(rows: x.rows, columns: x.columns)
        let linear = self.linear.forward(dropped.view, into: inner, pass: pass) { rows in
            for row in rows { self.activation.forward(inner[row], into: y[row]) }
        }
        after?.apply(to: y, rows: 0..<x.rows)
        return (y.view, Saved(before: before, linear: linear, slope: inner.view, after: after))
    }

    /// Adds to the gradients of what is trainable; `dy` is changed.
    func backward(_ dy: MutableMatrixView, saved: Saved, pass: Pass) -> MatrixView {
        saved.after?.apply(to: dy, rows: 0..<dy.rows)
        for row in 0..<dy.rows { Elementwise.multiply(saved.slope[row], into: dy[row]) }
        let dx = pass.arena.matrix(rows: dy.rows, columns: dy.columns)
        self.linear.backward(dy.view, saved: saved.linear, dx: dx, pass: pass)
        saved.before?.apply(to: dx, rows: 0..<dy.rows)
        return dx.view
    }
}
