internal import Layers
internal import Tensors

/// How a sublayer ends: its last linear layer, dropout, the residual sum and its norm, with an adapter where a method
/// has one there.
///
///     h = dropout(W x + b)
///     y = LayerNorm(h + r)
///     y = LayerNorm(h + a(h) + r)                  Houlsby et al. 2019, arXiv:1902.00751
///     y = LayerNorm(h + a(LayerNorm(h + r)) + r)   Pfeiffer et al. 2020, arXiv:2005.00247; one norm, used twice
///
/// Shapes: `x` is `[rows, in]`; `h`, `r` and `y` are `[rows, hidden]`.
struct SublayerEnd {
    let linear: Linear
    let norm: LayerNorm
    private let addition: LayerAddition?
    private let dropoutRate: Float
    private let site: Int

    init(linear: Linear, norm: LayerNorm, addition: LayerAddition?, dropoutRate: Float, site: Int) {
        self.linear = linear
        self.norm = norm
        self.addition = addition.flatMap { [.sublayer, .normed].contains($0.place) ? $0 : nil }
        self.dropoutRate = dropoutRate
        self.site = site
    }

    struct Saved {
        let linear: Linear.Saved
        let dropout: RowDropout?
        let adapter: AdapterSaved?
        let norm: LayerNorm.Saved
    }

    struct AdapterSaved {
        let input: MutableMatrixView
        let kept: MutableMatrixView
        /// Of the norm before the adapter.
        let norm: LayerNorm.Saved?
    }

    var isTrainable: Bool { self.isBelowNormTrainable || self.norm.isTrainable }
    var isBelowNormTrainable: Bool { self.linear.isTrainable || self.addition != nil }

    func forward(
        _ x: MatrixView,
        residual: MatrixView,
        dropoutRows: [UInt32],
        into y: MutableMatrixView,
        pass: Pass
    ) -> Saved {
        let arena = pass.arena
        let dropout = RowDropout(pass, site: self.site, rate: self.dropoutRate, rows: dropoutRows)
        let sum = arena.matrix(rows: y.rows, columns: y.columns)
        let norm = LayerNorm.Saved(x: sum.view, arena: arena)
        let inner = self.addition?.place == .normed ? arena.matrix(rows: y.rows, columns: y.columns) : nil
        let adapter = self.addition.map { addition in
            AdapterSaved(
                input: arena.matrix(rows: y.rows, columns: y.columns),
                kept: arena.matrix(rows: y.rows, columns: addition.adapter.savedColumns),
                norm: inner.map { LayerNorm.Saved(x: $0.view, arena: arena) }
            )
        }
        let linear = self.linear.forward(x, into: sum, pass: pass, dropoutRows: dropoutRows) { rows in
            dropout?.apply(to: sum, rows: rows)
            if let addition = self.addition, let adapter {
                if let inner, let innerNorm = adapter.norm {
                    inner.rows(rows).copy(sum.view.rows(rows))
                    for row in rows { Elementwise.add(residual[row], to: inner[row]) }
                    self.norm.forward(innerNorm, into: adapter.input, rows: rows)
                } else {
                    adapter.input.rows(rows).copy(sum.view.rows(rows))
                }
                let (input, kept) = (adapter.input.view.rows(rows), adapter.kept.rows(rows))
                addition.adapter.forward(input, saved: kept, addingTo: sum.rows(rows))
            }
            for row in rows { Elementwise.add(residual[row], to: sum[row]) }
            self.norm.forward(norm, into: y, rows: rows)
        }
        return Saved(linear: linear, dropout: dropout, adapter: adapter, norm: norm)
    }

    /// Adds to the gradients of what is trainable; writes the residual's and, where it is asked for, the input's.
    func backward(
        _ dy: MatrixView,
        saved: Saved,
        dResidual: MutableMatrixView,
        dx: MutableMatrixView?,
        pass: Pass,
        finish: (_ rows: Range<Int>) -> Void = { _ in }
    ) {
        let arena = pass.arena
        let mark = arena.mark
        defer { arena.release(to: mark) }
        self.norm.accumulateGradients(dy, saved: saved.norm, team: pass.team)
        let term = arena.matrix(rows: dy.rows, columns: dy.columns)
        let adapter = self.adapterBackward(saved.adapter, dy, arena: arena)
        pass.team.forEachSlab(ofRows: dy.rows) { rows in
            self.norm.backward(dy, saved: saved.norm, dx: dResidual, rows: rows)
            term.rows(rows).copy(dResidual.view.rows(rows))
            adapter?.backward(rows, norm: self.norm, term: term, dResidual: dResidual)
            saved.dropout?.apply(to: term, rows: rows)
        }
        adapter?.accumulateGradients(norm: self.norm, team: pass.team)
        self.linear.backward(term.view, saved: saved.linear, dx: dx, pass: pass, finish: finish)
    }

    private func adapterBackward(_ saved: AdapterSaved?, _ dy: MatrixView, arena: Arena) -> AdapterBackward? {
        guard let addition = self.addition, let saved else { return nil }
        func matrix(_ columns: Int) -> MutableMatrixView { arena.matrix(rows: dy.rows, columns: columns) }
        return AdapterBackward(
            adapter: addition.adapter,
            saved: saved,
            dSum: matrix(dy.columns),
            dSaved: matrix(addition.adapter.savedColumns),
            dInput: saved.norm == nil ? nil : arena.zeros(rows: dy.rows, columns: dy.columns),
            dInner: saved.norm == nil ? nil : matrix(dy.columns)
        )
    }
}

/// The backward pass through an adapter in a residual sum, slab by slab.
private struct AdapterBackward {
    let adapter: any Adapter
    let saved: SublayerEnd.AdapterSaved
    /// The gradient of the sum that the adapter's value is part of.
    let dSum: MutableMatrixView
    let dSaved: MutableMatrixView
    /// The gradients of the adapter's input and of the sum before its norm, where it has one.
    let dInput: MutableMatrixView?
    let dInner: MutableMatrixView?

    /// `term` and `dResidual` come as the sum's gradient.
    func backward(_ rows: Range<Int>, norm: LayerNorm, term: MutableMatrixView, dResidual: MutableMatrixView) {
        self.dSum.rows(rows).copy(term.view.rows(rows))
        self.adapter.backward(
            self.dSum.view.rows(rows),
            saved: self.saved.kept.view.rows(rows),
            dSaved: self.dSaved.rows(rows),
            addingTo: (self.dInput ?? term).rows(rows)
        )
        guard let dInput = self.dInput, let dInner = self.dInner, let innerNorm = self.saved.norm else { return }
        norm.backward(dInput.view, saved: innerNorm, dx: dInner, rows: rows)
        for row in rows {
            Elementwise.add(dInner.view[row], to: term[row])
            Elementwise.add(dInner.view[row], to: dResidual[row])
        }
    }

    func accumulateGradients(norm: LayerNorm, team: Team) {
        self.adapter.accumulateGradients(
            self.dSum.view,
            x: self.saved.input.view,
            saved: self.saved.kept.view,
            dSaved: self.dSaved.view,
            team: team
        )
        if let dInput = self.dInput, let innerNorm = self.saved.norm {
            norm.accumulateGradients(dInput.view, saved: innerNorm, team: team)
        }
    }
}
