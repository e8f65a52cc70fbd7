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
    let attentionEnd: SublayerEnd
    let intermediate: Linear
    let outputEnd: SublayerEnd
    let dropoutRate: Float
    /// The dropout site of the relative positions.
    let relativeSite: Int

    init(
        _ index: Int,
        store: ParameterStore,
        configuration: EncoderConfiguration,
        additions: (LinearLayer) -> LayerAddition?
    ) {
        func addition(_ layer: LinearLayer) -> LayerAddition? {
            var addition = additions(layer)
            addition?.site = DropoutSite.adapter(block: index, layer)
            return addition
        }
        func linear(_ layer: LinearLayer) -> Linear {
            store.linear(layer.path(block: index), addition: addition(layer))
        }
        let firstSite = DropoutSite.firstBlock + index * (configuration.heads + 2)
        self.query = linear(.query)
        self.key = linear(.key)
        self.value = linear(.value)
        let deberta = configuration.deberta
        func position(_ isUsed: Bool, _ shared: Linear, _ path: String) -> Linear? {
            guard isUsed, let deberta, deberta.relative != nil else { return nil }
            guard deberta.sharesProjections else { return store.linear(path) }
            var shared = shared
            shared.addition?.site += DropoutSite.relativeAdapters
            return shared
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
        func end(_ layer: LinearLayer, norm: String, site: Int) -> SublayerEnd {
            SublayerEnd(
                linear: linear(layer),
                norm: store.norm("encoder.layer.\(index).\(norm)", configuration),
                addition: addition(layer),
                dropoutRate: configuration.hiddenDropout,
                site: site
            )
        }
        self.attentionEnd = end(.attentionOutput, norm: "attention.output.LayerNorm", site: firstSite)
        self.intermediate = linear(.intermediate)
        self.outputEnd = end(.output, norm: "output.LayerNorm", site: firstSite + 1)
        self.dropoutRate = configuration.hiddenDropout
    }

    struct Saved {
        let query: Linear.Saved
        let key: Linear.Saved
        let value: Linear.Saved
        let relative: RelativeSaved?
        let attention: SelfAttention.Saved
        let attentionEnd: SublayerEnd.Saved
        let intermediate: Linear.Saved
        /// The activation's derivative.
        let slope: MatrixView
        let outputEnd: SublayerEnd.Saved
    }

    struct RelativeSaved {
        let dropout: RowDropout?
        let key: Linear.Saved?
        let query: Linear.Saved?
        let rows: Int
    }

    var isTrainable: Bool {
        self.isAttentionTrainable || self.attentionEnd.isTrainable || self.intermediate.isTrainable
            || self.outputEnd.isTrainable
    }

    private var isAttentionTrainable: Bool {
        self.query.isTrainable || self.key.isTrainable || self.value.isTrainable
            || self.positionKey?.isTrainable == true || self.positionQuery?.isTrainable == true
    }

    /// - Parameters:
    ///   - queries: `x`, or the rows of its sequences' first tokens.
    ///   - tokenRows: what tells the rows of `x` apart in dropout.
    ///   - dropoutRows: the same of `queries`.
    func forward(
        _ x: MatrixView,
        queries: MatrixView,
        relative: RelativeTable.Part?,
        batch: PackedBatch,
        tokenRows: [UInt32],
        dropoutRows: [UInt32],
        into y: MutableMatrixView,
        pass: Pass
    ) -> Saved {
        let arena = pass.arena
        let (rows, hidden) = (queries.rows, x.columns)
        let q = arena.matrix(rows: rows, columns: hidden)
        let (k, v) = (arena.matrix(rows: x.rows, columns: hidden), arena.matrix(rows: x.rows, columns: hidden))
        let querySaved = self.query.forward(queries, into: q, pass: pass, dropoutRows: dropoutRows)
        let keySaved = self.key.forward(x, into: k, pass: pass, dropoutRows: tokenRows)
        let valueSaved = self.value.forward(x, into: v, pass: pass, dropoutRows: tokenRows)

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

        let a = arena.matrix(rows: rows, columns: hidden)
        let attentionEndSaved = self.attentionEnd.forward(
            context.view,
            residual: queries,
            dropoutRows: dropoutRows,
            into: a,
            pass: pass
        )

        let width = self.intermediate.weight.value.rows
        let (inner, activated) = (arena.matrix(rows: rows, columns: width), arena.matrix(rows: rows, columns: width))
        let intermediateSaved = self.intermediate.forward(a.view, into: inner, pass: pass, dropoutRows: dropoutRows) {
            rows in
            for row in rows { Elementwise.gelu(inner[row], into: activated[row]) }
        }

        let outputEndSaved = self.outputEnd.forward(
            activated.view,
            residual: a.view,
            dropoutRows: dropoutRows,
            into: y,
            pass: pass
        )
        return Saved(
            query: querySaved,
            key: keySaved,
            value: valueSaved,
            relative: relativeSaved,
            attention: attentionSaved,
            attentionEnd: attentionEndSaved,
            intermediate: intermediateSaved,
            slope: inner.view,
            outputEnd: outputEndSaved
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

        let (da, dInner) = (matrix(rows, hidden), matrix(rows, saved.slope.columns))
        self.outputEnd.backward(dy, saved: saved.outputEnd, dResidual: da, dx: dInner, pass: pass) { rows in
            for row in rows { Elementwise.multiply(saved.slope[row], into: dInner[row]) }
        }
        self.intermediate.backward(dInner.view, saved: saved.intermediate, dx: da, adding: true, pass: pass)

        let isAttentionNeeded = dx != nil || dRelative != nil || self.isAttentionTrainable
        guard isAttentionNeeded || self.attentionEnd.isBelowNormTrainable else {
            return self.attentionEnd.norm.accumulateGradients(
                da.view,
                saved: saved.attentionEnd.norm,
                team: pass.team
            )
        }
        let isWhole = firstRows == nil
        let dQueries = isWhole ? dx ?? matrix(rows, hidden) : matrix(rows, hidden)
        let dContext = matrix(rows, hidden)
        self.attentionEnd.backward(
            da.view,
            saved: saved.attentionEnd,
            dResidual: dQueries,
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
            return (y, layer.forward(rows, into: y, pass: pass, dropoutRows: relative.range.map(UInt32.init)))
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
    private static let firstAdapter = 1 << 25
    /// From an adapter's site to that of the same adapter on relative positions.
    static let relativeAdapters = 1 << 26

    /// Of what an adapter beside a layer reads.
    static func adapter(block: Int, _ layer: LinearLayer) -> Int {
        let layers = LinearLayer.allCases
        return self.firstAdapter + block * layers.count + (layers.firstIndex(of: layer) ?? 0)
    }
}
