internal import Layers
internal import Tensors

/// One block of an encoder (Devlin et al. 2018, arXiv:1810.04805): layer norms follow the residual sums.
///
///     a = LayerNorm(x + dropout(W_o attention(x)))
///     y = LayerNorm(a + dropout(W_2 gelu(W_1 a)))
///
/// Shapes: `x` is `[tokens, hidden]`; `y` has the same rows, or one a sequence where only the first token's is asked
/// for: then everything after the keys and values is computed for these rows alone.
struct Block {
    let query: Linear
    let key: Linear
    let value: Linear
    /// Projects relative positions to keys and to queries, where attention looks at them.
    let positionKey: Linear?
    let positionQuery: Linear?
    let attention: SelfAttention
    let attentionOutput: Linear
    let attentionNorm: LayerNorm
    let intermediate: Linear
    let output: Linear
    let outputNorm: LayerNorm
    let dropoutRate: Float
    /// The dropout site after the attention; the one after the output is the next.
    let site: Int
    /// The dropout site of the relative positions.
    let relativeSite: Int

    init(
        _ index: Int,
        store: ParameterStore,
        configuration: EncoderConfiguration,
        adapters: (LinearLayer) -> (any LinearAdapter)?
    ) {
        func linear(_ layer: LinearLayer) -> Linear { store.linear(layer.path(block: index), adapter: adapters(layer)) }
        let firstSite = DropoutSite.firstBlock + index * (configuration.heads + 2)
        self.query = linear(.query)
        self.key = linear(.key)
        self.value = linear(.value)
        let deberta = configuration.deberta
        func position(_ isUsed: Bool, _ shared: Linear, _ path: String) -> Linear? {
            guard isUsed, let deberta, deberta.relative != nil else { return nil }
            return deberta.sharesProjections ? shared : store.linear(path)
        }
        self.positionKey = position(
            deberta?.hasContentToPosition ?? false,
            self.key,
            configuration.positionKey(block: index)
        )
        self.positionQuery = position(
            deberta?.hasPositionToContent ?? false,
            self.query,
            configuration.positionQuery(block: index)
        )
        self.relativeSite = DropoutSite.firstRelative + index
        self.attention = SelfAttention(
            heads: configuration.heads,
            dropoutRate: configuration.attentionDropout,
            site: firstSite + 2,
            terms: deberta?.terms ?? 1
        )
        self.attentionOutput = linear(.attentionOutput)
        self.attentionNorm = store.norm("encoder.layer.\(index).attention.output.LayerNorm", configuration)
        self.intermediate = linear(.intermediate)
        self.output = linear(.output)
        self.outputNorm = store.norm("encoder.layer.\(index).output.LayerNorm", configuration)
        self.dropoutRate = configuration.hiddenDropout
        self.site = firstSite
    }

    struct Saved {
        let query: Linear.Saved
        let key: Linear.Saved
        let value: Linear.Saved
        let relative: RelativeSaved?
        let attention: SelfAttention.Saved
        let attentionOutput: Linear.Saved
        let attentionNorm: LayerNorm.Saved
        let intermediate: Linear.Saved
        /// The activation's derivative.
        let slope: MatrixView
        let output: Linear.Saved
        let outputNorm: LayerNorm.Saved
        let dropouts: (RowDropout?, RowDropout?)
    }

    struct RelativeSaved {
        let dropout: RowDropout?
        let key: Linear.Saved?
        let query: Linear.Saved?
        let rows: Int
    }

    var isTrainable: Bool {
        self.isAttentionTrainable || self.attentionOutput.isTrainable || self.attentionNorm.isTrainable
            || self.intermediate.isTrainable || self.output.isTrainable || self.outputNorm.isTrainable
    }

    private var isAttentionTrainable: Bool {
        self.query.isTrainable || self.key.isTrainable || self.value.isTrainable
            || self.positionKey?.isTrainable == true || self.positionQuery?.isTrainable == true
    }

    /// - Parameter queries: `x`, or the rows of its sequences' first tokens.
    func forward(
        _ x: MatrixView,
        queries: MatrixView,
        relative: RelativeTable.Part?,
        batch: PackedBatch,
        dropoutRows: [UInt32],
        into y: MutableMatrixView,
        pass: Pass
    ) -> Saved {
        let arena = pass.arena
        let (rows, hidden) = (queries.rows, x.columns)
        let q = arena.matrix(rows: rows, columns: hidden)
        let (k, v) = (arena.matrix(rows: x.rows, columns: hidden), arena.matrix(rows: x.rows, columns: hidden))
        let querySaved = self.query.forward(queries, into: q, pass: pass)
        let keySaved = self.key.forward(x, into: k, pass: pass)
        let valueSaved = self.value.forward(x, into: v, pass: pass)

        let (terms, relativeSaved) = relative.map { self.project($0, pass: pass) } ?? (nil, nil)
        let context = arena.matrix(rows: rows, columns: hidden)
        let attentionSaved = self.attention.forward(
            query: q.view,
            key: k.view,
            value: v.view,
            relative: terms,
            batch: batch,
            into: context,
            pass: pass
        )

        let dropouts = (
            RowDropout(pass, site: self.site, rate: self.dropoutRate, rows: dropoutRows),
            RowDropout(pass, site: self.site + 1, rate: self.dropoutRate, rows: dropoutRows)
        )
        let (sum, a) = (arena.matrix(rows: rows, columns: hidden), arena.matrix(rows: rows, columns: hidden))
        let attentionNormSaved = LayerNorm.Saved(x: sum.view, arena: arena)
        let attentionOutputSaved = self.attentionOutput.forward(context.view, into: sum, pass: pass) { rows in
            dropouts.0?.apply(to: sum, rows: rows)
            for row in rows { Elementwise.add(queries[row], to: sum[row]) }
            self.attentionNorm.forward(attentionNormSaved, into: a, rows: rows)
        }

        let width = self.intermediate.weight.value.rows
        let (inner, activated) = (arena.matrix(rows: rows, columns: width), arena.matrix(rows: rows, columns: width))
        let intermediateSaved = self.intermediate.forward(a.view, into: inner, pass: pass) { rows in
            for row in rows { Elementwise.gelu(inner[row], into: activated[row]) }
        }

        let outputSum = arena.matrix(rows: rows, columns: hidden)
        let outputNormSaved = LayerNorm.Saved(x: outputSum.view, arena: arena)
        let outputSaved = self.output.forward(activated.view, into: outputSum, pass: pass) { rows in
            dropouts.1?.apply(to: outputSum, rows: rows)
            for row in rows { Elementwise.add(a.view[row], to: outputSum[row]) }
            self.outputNorm.forward(outputNormSaved, into: y, rows: rows)
        }
        return Saved(
            query: querySaved,
            key: keySaved,
            value: valueSaved,
            relative: relativeSaved,
            attention: attentionSaved,
            attentionOutput: attentionOutputSaved,
            attentionNorm: attentionNormSaved,
            intermediate: intermediateSaved,
            slope: inner.view,
            output: outputSaved,
            outputNorm: outputNormSaved,
            dropouts: dropouts
        )
    }

    /// Adds to the gradients of what is trainable.
    ///
    /// - Parameters:
    ///   - firstRows: where each of `dy`'s rows stands in `x`, where these are the first tokens only.
    ///   - dx: is written where something below is trainable.
    ///   - dRelative: the gradient of the relative positions is added to, where they are trainable.
    func backward(
        _ dy: MatrixView,
        saved: Saved,
        batch: PackedBatch,
        firstRows: [Int]?,
        dx: MutableMatrixView?,
        dRelative: MutableMatrixView?,
        pass: Pass
    ) {
        let arena = pass.arena
        let mark = arena.mark
        defer { arena.release(to: mark) }
        let (rows, hidden) = (dy.rows, dy.columns)
        func matrix(_ rows: Int, _ columns: Int) -> MutableMatrixView { arena.matrix(rows: rows, columns: columns) }

        // y = LayerNorm(a + dropout(output)): the sum's gradient goes to both terms.
        let (da, dOutput) = (matrix(rows, hidden), matrix(rows, hidden))
        self.outputNorm.accumulateGradients(dy, saved: saved.outputNorm, team: pass.team)
        self.split(
            dy,
            norm: self.outputNorm,
            saved.outputNorm,
            dropout: saved.dropouts.1,
            sum: da,
            term: dOutput,
            pass: pass
        )
        let dInner = matrix(rows, saved.slope.columns)
        self.output.backward(dOutput.view, saved: saved.output, dx: dInner, pass: pass) { rows in
            for row in rows { Elementwise.multiply(saved.slope[row], into: dInner[row]) }
        }
        self.intermediate.backward(dInner.view, saved: saved.intermediate, dx: da, adding: true, pass: pass)

        // a = LayerNorm(x + dropout(attention)).
        self.attentionNorm.accumulateGradients(da.view, saved: saved.attentionNorm, team: pass.team)
        let isAttentionNeeded = dx != nil || dRelative != nil || self.isAttentionTrainable
        guard isAttentionNeeded || self.attentionOutput.isTrainable else { return }
        let isWhole = firstRows == nil
        let dQueries = isWhole ? dx ?? matrix(rows, hidden) : matrix(rows, hidden)
        self.split(
            da.view,
            norm: self.attentionNorm,
            saved.attentionNorm,
            dropout: saved.dropouts.0,
            sum: dQueries,
            term: dOutput,
            pass: pass
        )
        let dContext = matrix(rows, hidden)
        self.attentionOutput.backward(
            dOutput.view,
            saved: saved.attentionOutput,
            dx: isAttentionNeeded ? dContext : nil,
            pass: pass
        )
        guard isAttentionNeeded else { return }

        let relativeGradients = self.relativeGradients(saved.relative, dRelative: dRelative, pass: pass)
        let (dq, dk, dv) = (matrix(rows, hidden), matrix(batch.tokens, hidden), matrix(batch.tokens, hidden))
        self.attention.backward(
            dContext.view,
            saved: saved.attention,
            batch: batch,
            dQuery: dq,
            dKey: dk,
            dValue: dv,
            relativeGradients: relativeGradients,
            pass: pass
        )
        if let relative = saved.relative, let relativeGradients {
            self.projectBackward(relativeGradients, saved: relative, dRelative: dRelative, pass: pass)
        }
        self.query.backward(dq.view, saved: saved.query, dx: dx == nil ? nil : dQueries, adding: true, pass: pass)
        self.key.backward(dk.view, saved: saved.key, dx: dx, adding: isWhole, pass: pass)
        self.value.backward(dv.view, saved: saved.value, dx: dx, adding: true, pass: pass)
        if let dx, let firstRows {
            for (row, target) in firstRows.enumerated() { Elementwise.add(dQueries.view[row], to: dx[target]) }
        }
    }

    /// The relative positions' keys and queries for this block.
    private func project(_ relative: RelativeTable.Part, pass: Pass) -> (RelativeTerms, RelativeSaved) {
        var rows = relative.rows
        let dropout = RowDropout(
            pass,
            site: self.relativeSite,
            rate: self.dropoutRate,
            rows: relative.range.map(UInt32.init)
        )
        if let dropout {
            let dropped = pass.arena.matrix(rows: rows.rows, columns: rows.columns)
            dropped.copy(rows)
            dropout.apply(to: dropped, rows: 0..<dropped.rows)
            rows = dropped.view
        }
        func project(_ layer: Linear?) -> (MutableMatrixView, Linear.Saved)? {
            guard let layer else { return nil }
            let y = pass.arena.matrix(rows: rows.rows, columns: rows.columns)
            return (y, layer.forward(rows, into: y, pass: pass))
        }
        let (key, query) = (project(self.positionKey), project(self.positionQuery))
        return (
            RelativeTerms(relative.positions, longest: relative.longest, key: key?.0.view, query: query?.0.view),
            RelativeSaved(dropout: dropout, key: key?.1, query: query?.1, rows: rows.rows)
        )
    }

    /// Zeros for the gradients of the positions' keys and queries, where anything below them is trainable.
    private func relativeGradients(_ saved: RelativeSaved?, dRelative: MutableMatrixView?, pass: Pass)
        -> RelativeTerms.Gradients?
    {
        let isTrainable = self.positionKey?.isTrainable == true || self.positionQuery?.isTrainable == true
        guard let saved, dRelative != nil || isTrainable else { return nil }
        return RelativeTerms.Gradients(rows: saved.rows, columns: self.query.weight.value.rows, arena: pass.arena)
    }

    private func projectBackward(
        _ gradients: RelativeTerms.Gradients,
        saved: RelativeSaved,
        dRelative: MutableMatrixView?,
        pass: Pass
    ) {
        let dRows = dRelative.map { pass.arena.zeros(rows: $0.rows, columns: $0.columns) }
        for (layer, saved, dy) in [
            (self.positionKey, saved.key, gradients.key), (self.positionQuery, saved.query, gradients.query),
        ] {
            guard let layer, let saved else { continue }
            layer.backward(dy.view, saved: saved, dx: dRows, adding: true, pass: pass)
        }
        guard let dRelative, let dRows else { return }
        saved.dropout?.apply(to: dRows, rows: 0..<dRows.rows)
        for row in 0..<dRows.rows { Elementwise.add(dRows.view[row], to: dRelative[row]) }
    }

    /// The gradient of a normalised sum, and of its dropped-out term.
    private func split(
        _ dy: MatrixView,
        norm: LayerNorm,
        _ saved: LayerNorm.Saved,
        dropout: RowDropout?,
        sum: MutableMatrixView,
        term: MutableMatrixView,
        pass: Pass
    ) {
        pass.team.forEachSlab(ofRows: dy.rows) { rows in
            norm.backward(dy, saved: saved, dx: sum, rows: rows)
            term.rows(rows).copy(sum.view.rows(rows))
            dropout?.apply(to: term, rows: rows)
        }
    }
}

/// The numbers of the network's dropout sites.
enum DropoutSite {
    static let embeddings = 0
    static let classifier = 1
    static let pooler = 2
    static let convolution = 3
    static let firstBlock = 16
    /// Above all blocks' sites.
    static let firstRelative = 1 << 24
}
