public import Tensors

/// A linear layer, perhaps with an adapter beside or after it.
///
///     y = x Wᵀ + b (+ the adapter's part)
///
/// Shapes: `x` is `[tokens, in]`, `y` is `[tokens, out]`, `W` is `[out, in]` as in PyTorch, `b` is `[1, out]`.
public struct Linear: Sendable {
    public var weight: Parameter
    public var bias: Parameter
    /// Beside or after; what stands elsewhere is not the layer's.
    public var addition: LayerAddition?

    public init(weight: Parameter, bias: Parameter, addition: LayerAddition? = nil) {
        precondition(bias.value.columns == weight.value.rows, "\(weight.name) and \(bias.name) do not fit")
        self.weight = weight
        self.bias = bias
        self.addition = addition?.isOfLayer == true ? addition : nil
    }

    /// What ``backward(_:saved:dx:adding:pass:)`` needs from the forward pass.
    public struct Saved {
        let x: MatrixView
        let adapter: AdapterSaved?
    }

    struct AdapterSaved {
        /// What the adapter read.
        let input: MatrixView
        let dropout: RowDropout?
        let kept: MutableMatrixView
    }

    public var isTrainable: Bool { self.weight.isTrainable || self.bias.isTrainable || self.addition != nil }

    /// - Parameters:
    ///   - dropoutRows: what tells the rows of `x` apart, for an adapter's dropout.
    ///   - finish: is called for each slab of rows once these are done, while they are in the cache.
    @discardableResult
    public func forward(
        _ x: MatrixView,
        into y: MutableMatrixView,
        pass: Pass,
        dropoutRows: [UInt32] = [],
        finish: (_ rows: Range<Int>) -> Void = { _ in }
    ) -> Saved {
        let bias = self.bias.row
        func layer(_ rows: Range<Int>) {
            let yRows = y.rows(rows)
            multiply(x.rows(rows), self.weight.value, transposing: .second, into: yRows)
            for row in 0..<yRows.rows { Elementwise.add(bias, to: yRows[row]) }
        }
        guard let addition = self.addition else {
            pass.team.forEachSlab(ofRows: x.rows) { rows in
                layer(rows)
                finish(rows)
            }
            return Saved(x: x, adapter: nil)
        }
        let dropout = RowDropout(pass, site: addition.site, rate: addition.dropoutRate, rows: dropoutRows)
        // A copy of what is changed before the backward pass, or of what dropout changes.
        let copy: MutableMatrixView? =
            switch addition.place {
            case .beside: dropout == nil ? nil : pass.arena.matrix(rows: x.rows, columns: x.columns)
            case .after: pass.arena.matrix(rows: y.rows, columns: y.columns)
            case .sublayer, .normed: preconditionFailure("\(self.weight.name): what follows the layer has the adapter")
            }
        let saved = AdapterSaved(
            input: copy?.view ?? x,
            dropout: dropout,
            kept: pass.arena.matrix(rows: x.rows, columns: addition.adapter.savedColumns)
        )
        pass.team.forEachSlab(ofRows: x.rows) { rows in
            layer(rows)
            if let copy { copy.rows(rows).copy(addition.place == .after ? y.view.rows(rows) : x.rows(rows)) }
            if let copy, let dropout { dropout.apply(to: copy, rows: rows) }
            addition.adapter.forward(saved.input.rows(rows), saved: saved.kept.rows(rows), addingTo: y.rows(rows))
            finish(rows)
        }
        return Saved(x: x, adapter: saved)
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
        let adapter = self.addition.flatMap { addition in
            saved.adapter.map { AdapterBackward(addition, $0, rows: dy.rows, dyColumns: dy.columns, arena: pass.arena) }
        }
        /// The gradient of `x Wᵀ + b`.
        let dLayer = adapter?.dLayer?.view ?? dy
        if dx != nil || adapter != nil {
            pass.team.forEachSlab(ofRows: dy.rows) { rows in
                adapter?.after(dy, rows: rows)
                if let dx { multiply(dLayer.rows(rows), self.weight.value, adding: adding, into: dx.rows(rows)) }
                adapter?.beside(dy, rows: rows, addingTo: dx)
                finish(rows)
            }
        }
        if let gradient = self.weight.gradient {
            pass.team.forEachSlab(ofRows: gradient.rows) { rows in
                multiply(dLayer.columns(rows), saved.x, transposing: .first, adding: true, into: gradient.rows(rows))
            }
        }
        if let gradient = self.bias.gradient { accumulateColumnSums(dLayer, into: gradient, team: pass.team) }
        adapter?.accumulateGradients(dy, team: pass.team)
    }
}

/// The backward pass through a layer's adapter, slab by slab.
private struct AdapterBackward {
    private let addition: LayerAddition
    private let saved: Linear.AdapterSaved
    private let dSaved: MutableMatrixView
    /// The gradient of an input that dropout has changed.
    private let dInput: MutableMatrixView?
    /// The gradient of the layer's own output, where the adapter stands after it.
    let dLayer: MutableMatrixView?

    init(_ addition: LayerAddition, _ saved: Linear.AdapterSaved, rows: Int, dyColumns: Int, arena: Arena) {
        self.addition = addition
        self.saved = saved
        self.dSaved = arena.matrix(rows: rows, columns: addition.adapter.savedColumns)
        self.dInput = saved.dropout == nil ? nil : arena.zeros(rows: rows, columns: saved.input.columns)
        self.dLayer = addition.place == .after ? arena.matrix(rows: rows, columns: dyColumns) : nil
    }

    func after(_ dy: MatrixView, rows: Range<Int>) {
        guard let dLayer = self.dLayer?.rows(rows) else { return }
        dLayer.copy(dy.rows(rows))
        self.backward(dy, rows: rows, addingTo: dLayer)
    }

    func beside(_ dy: MatrixView, rows: Range<Int>, addingTo dx: MutableMatrixView?) {
        guard self.dLayer == nil else { return }
        guard let dInput = self.dInput, let dropout = self.saved.dropout else {
            return self.backward(dy, rows: rows, addingTo: dx?.rows(rows))
        }
        self.backward(dy, rows: rows, addingTo: dx == nil ? nil : dInput.rows(rows))
        guard let dx else { return }
        dropout.apply(to: dInput, rows: rows)
        for row in rows { Elementwise.add(dInput.view[row], to: dx[row]) }
    }

    private func backward(_ dy: MatrixView, rows: Range<Int>, addingTo dx: MutableMatrixView?) {
        self.addition.adapter.backward(
            dy.rows(rows),
            saved: self.saved.kept.view.rows(rows),
            dSaved: self.dSaved.rows(rows),
            addingTo: dx
        )
    }

    func accumulateGradients(_ dy: MatrixView, team: Team) {
        self.addition.adapter.accumulateGradients(
            dy,
            x: self.saved.input,
            saved: self.saved.kept.view,
            dSaved: self.dSaved.view,
            team: team
        )
    }
}
