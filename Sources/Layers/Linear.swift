public import Tensors

/// A linear layer, perhaps with an adapter beside it.
///
///     y = x Wᵀ + b (+ the adapter's part)
///
/// Shapes: `x` is `[tokens, in]`, `y` is `[tokens, out]`, `W` is `[out, in]` as in PyTorch, `b` is `[1, out]`.
public struct Linear: Sendable {
    public var weight: Parameter
    public var bias: Parameter
    public var adapter: (any LinearAdapter)?

    public init(weight: Parameter, bias: Parameter, adapter: (any LinearAdapter)? = nil) {
        precondition(bias.value.columns == weight.value.rows, "\(weight.name) and \(bias.name) do not fit")
        self.weight = weight
        self.bias = bias
        self.adapter = adapter
    }

    /// What ``backward(_:saved:dx:adding:pass:)`` needs from the forward pass.
    public struct Saved {
        let x: MatrixView
        let adapter: MutableMatrixView
    }

    public var isTrainable: Bool { self.weight.isTrainable || self.bias.isTrainable || self.adapter != nil }

    /// - Parameter finish: is called for each slab of rows once these are done, while they are in the cache.
    @discardableResult
    public func forward(
        _ x: MatrixView,
        into y: MutableMatrixView,
        pass: Pass,
        finish: (_ rows: Range<Int>) -> Void = { _ in }
    ) -> Saved {
        let saved = Saved(x: x, adapter: pass.arena.matrix(rows: x.rows, columns: self.adapter?.savedColumns ?? 0))
        let bias = self.bias.row
        pass.team.forEachSlab(ofRows: x.rows) { rows in
            let (xRows, yRows) = (x.rows(rows), y.rows(rows))
            multiply(xRows, self.weight.value, transposing: .second, into: yRows)
            for row in 0..<yRows.rows { Elementwise.add(bias, to: yRows[row]) }
            self.adapter?.forward(xRows, saved: saved.adapter.rows(rows), addingTo: yRows)
            finish(rows)
        }
        return saved
    }

    /// Adds to the gradients of what is trainable; `dx` is written, or added to, where it is asked for.
    public func backward(
        _ dy: MatrixView,
        saved: Saved,
        dx: MutableMatrixView?,
        adding: Bool = false,
        pass: Pass,
        finish: (_ rows: Range<Int>) -> Void = { _ in }
    ) {
        let mark = pass.arena.mark
        defer { pass.arena.release(to: mark) }
        let dSaved = pass.arena.matrix(rows: dy.rows, columns: self.adapter?.savedColumns ?? 0)
        if dx != nil || self.adapter != nil {
            pass.team.forEachSlab(ofRows: dy.rows) { rows in
                let (dyRows, dxRows) = (dy.rows(rows), dx?.rows(rows))
                if let dxRows { multiply(dyRows, self.weight.value, adding: adding, into: dxRows) }
                self.adapter?.backward(
                    dyRows,
                    saved: saved.adapter.view.rows(rows),
                    dSaved: dSaved.rows(rows),
                    addingTo: dxRows
                )
                finish(rows)
            }
        }
        if let gradient = self.weight.gradient {
            pass.team.forEachSlab(ofRows: gradient.rows) { rows in
                multiply(dy.columns(rows), saved.x, transposing: .first, adding: true, into: gradient.rows(rows))
            }
        }
        if let gradient = self.bias.gradient { accumulateColumnSums(dy, into: gradient, team: pass.team) }
        self.adapter?.accumulateGradients(
            dy,
            x: saved.x,
            saved: saved.adapter.view,
            dSaved: dSaved.view,
            team: pass.team
        )
    }
}

/// What a method adds beside a linear layer: a function of the layer's input whose value is added to its output.
///
/// The row-wise parts are called for slabs of rows, by several threads at once, and touch these rows only.
public protocol LinearAdapter: Sendable {
    /// Floats that the forward pass keeps for each token.
    var savedColumns: Int { get }
    /// Adds the adapter's part to `y` and keeps what the backward pass needs.
    func forward(_ x: MatrixView, saved: MutableMatrixView, addingTo y: MutableMatrixView)
    /// Leaves the gradient of what was kept in `dSaved` and adds to `dx` where that is asked for.
    func backward(_ dy: MatrixView, saved: MatrixView, dSaved: MutableMatrixView, addingTo dx: MutableMatrixView?)
    /// Adds to the gradients of the parameters, over all rows.
    func accumulateGradients(_ dy: MatrixView, x: MatrixView, saved: MatrixView, dSaved: MatrixView, team: Team)
}
