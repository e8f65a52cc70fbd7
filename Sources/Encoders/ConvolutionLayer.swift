internal import Layers
internal import Tensors

/// The convolution beside the first block of the larger DeBERTa-v2 encoders: it reads what the block reads.
///
///     y = LayerNorm(block(x) + activation(dropout(convolution(x))))
///
/// Shapes: `x` is `[tokens, hidden]`; `y` has the rows of the block's output.
struct ConvolutionLayer {
    let convolution: Convolution
    let activation: Activation
    let norm: LayerNorm
    let dropoutRate: Float

    init?(_ configuration: EncoderConfiguration, store: ParameterStore) {
        guard let deberta = configuration.deberta, deberta.convolutionWidth > 0 else { return nil }
        self.convolution = Convolution(
            store.linear(EncoderConfiguration.convolution),
            width: deberta.convolutionWidth
        )
        self.activation = deberta.convolutionActivation
        self.norm = store.norm(EncoderConfiguration.convolutionNorm, configuration)
        self.dropoutRate = configuration.hiddenDropout
    }

    struct Saved {
        let convolution: Convolution.Saved
        let dropout: RowDropout?
        /// The activation's derivative.
        let slope: MatrixView
        let norm: LayerNorm.Saved
    }

    var isTrainable: Bool { self.convolution.linear.isTrainable || self.norm.isTrainable }

    /// - Parameters:
    ///   - tokens: which tokens the rows of `y` are.
    ///   - y: comes as the block's output.
    func forward(
        _ x: MatrixView,
        tokens: [Int],
        batch: PackedBatch,
        dropoutRows: [UInt32],
        into y: MutableMatrixView,
        pass: Pass
    ) -> Saved {
        let inner = pass.arena.matrix(rows: y.rows, columns: y.columns)
        let sum = pass.arena.matrix(rows: y.rows, columns: y.columns)
        let normSaved = LayerNorm.Saved(x: sum.view, arena: pass.arena)
        let dropout = RowDropout(
            pass,
            site: DropoutSite.convolution,
            rate: self.dropoutRate,
            rows: dropoutRows
        )
        let saved = self.convolution.forward(x, tokens: tokens, batch: batch, into: inner, pass: pass) { rows in
            dropout?.apply(to: inner, rows: rows)
            for row in rows {
                self.activation.forward(inner[row], into: sum[row])
                Elementwise.add(y.view[row], to: sum[row])
            }
            self.norm.forward(normSaved, into: y, rows: rows)
        }
        return Saved(convolution: saved, dropout: dropout, slope: inner.view, norm: normSaved)
    }

    /// Adds to the gradients of what is trainable, writes that of the block's output, and adds to `dx` where asked for.
    func backward(
        _ dy: MatrixView,
        saved: Saved,
        batch: PackedBatch,
        dBlock: MutableMatrixView,
        addingTo dx: MutableMatrixView?,
        pass: Pass
    ) {
        let mark = pass.arena.mark
        defer { pass.arena.release(to: mark) }
        let dInner = pass.arena.matrix(rows: dy.rows, columns: dy.columns)
        self.norm.accumulateGradients(dy, saved: saved.norm, team: pass.team)
        pass.team.forEachSlab(ofRows: dy.rows) { rows in
            self.norm.backward(dy, saved: saved.norm, dx: dBlock, rows: rows)
            dInner.rows(rows).copy(dBlock.view.rows(rows))
            for row in rows { Elementwise.multiply(saved.slope[row], into: dInner[row]) }
            saved.dropout?.apply(to: dInner, rows: rows)
        }
        self.convolution.backward(dInner.view, saved: saved.convolution, batch: batch, addingTo: dx, pass: pass)
    }
}
