public import Layers
public import Tensors

/// A BERT encoder (Devlin et al. 2018, arXiv:1810.04805), or one of its descendants, over packed sequences.
///
///     h = dropout(LayerNorm(word[id] + type[type] + position[place]))        then the blocks, one after the other
public struct BERTEncoder {
    public let configuration: EncoderConfiguration
    private let words: Embedding
    private let positions: Embedding
    private let types: Embedding
    private let norm: LayerNorm
    private let blocks: [Block]

    /// - Parameter adapters: what stands beside each linear layer.
    public init(
        _ configuration: EncoderConfiguration,
        store: ParameterStore,
        adapters: (_ block: Int, _ layer: LinearLayer) -> (any LinearAdapter)? = { _, _ in nil }
    ) {
        self.configuration = configuration
        self.words = Embedding(
            table: store["embeddings.word_embeddings.weight"],
            padding: configuration.paddingID
        )
        self.positions = Embedding(
            table: store["embeddings.position_embeddings.weight"],
            padding: configuration.architecture == .roberta ? configuration.paddingID : nil
        )
        self.types = Embedding(table: store["embeddings.token_type_embeddings.weight"])
        self.norm = store.norm("embeddings.LayerNorm", configuration)
        self.blocks = (0..<configuration.layers).map { index in
            Block(index, store: store, configuration: configuration) { adapters(index, $0) }
        }
    }

    /// Which hidden states the last block computes.
    public enum Output: Sendable {
        /// `[tokens, hidden]`
        case everyToken
        /// `[sequences, hidden]`: all that a classification head reads.
        case firstTokens
    }

    /// What the backward pass needs.
    public struct Saved {
        let embeddings: LayerNorm.Saved
        let embeddingsDropout: RowDropout?
        let blocks: [Block.Saved]
        let output: Output
    }

    private var areEmbeddingsTrainable: Bool {
        self.words.table.isTrainable || self.positions.table.isTrainable || self.types.table.isTrainable
            || self.norm.isTrainable
    }

    /// The hidden states, and what the backward pass needs, in the pass's arena.
    ///
    /// - Precondition: no sequence is longer than the configuration's positions; every id is in the vocabulary.
    public func forward(_ batch: PackedBatch, output: Output, pass: Pass) -> (hidden: MatrixView, saved: Saved) {
        let dropoutRows = pass.dropout == nil ? [] : batch.dropoutRows
        var hidden = pass.arena.matrix(rows: batch.tokens, columns: self.configuration.hidden)
        let embedded = self.embed(batch, into: hidden, dropoutRows: dropoutRows, pass: pass)
        let isTraining = pass.dropout != nil
        var (saved, spare) = ([Block.Saved](), hidden)
        if !isTraining { spare = pass.arena.matrix(rows: hidden.rows, columns: hidden.columns) }
        for (index, block) in self.blocks.enumerated() {
            let isFirstOnly = output == .firstTokens && index == self.blocks.count - 1
            let queries = isFirstOnly ? self.gather(batch, hidden.view, pass: pass) : hidden.view
            if isTraining { spare = pass.arena.matrix(rows: queries.rows, columns: hidden.columns) }
            let next = spare.rows(0..<queries.rows)
            let mark = pass.arena.mark
            let rows = isFirstOnly && isTraining ? batch.offsets.dropLast().map { dropoutRows[$0] } : dropoutRows
            let blockSaved = block.forward(
                hidden.view,
                queries: queries,
                batch: batch,
                dropoutRows: rows,
                into: next,
                pass: pass
            )
            // Outside training nothing of a block outlives it; two buffers take turns.
            if isTraining { saved.append(blockSaved) } else { pass.arena.release(to: mark) }
            (hidden, spare) = (next, hidden)
        }
        let (embeddings, dropout) = embedded
        return (hidden.view, Saved(embeddings: embeddings, embeddingsDropout: dropout, blocks: saved, output: output))
    }

    /// Adds to the gradients of what is trainable, from the top down to the lowest of it.
    ///
    /// - Parameter dHidden: as the forward pass's hidden states.
    public func backward(_ dHidden: MatrixView, saved: Saved, batch: PackedBatch, pass: Pass) {
        let mark = pass.arena.mark
        defer { pass.arena.release(to: mark) }
        guard let lowest = self.areEmbeddingsTrainable ? -1 : self.blocks.firstIndex(where: \.isTrainable) else {
            return
        }
        var (dy, buffers) = (
            dHidden, (0..<2).map { _ in pass.arena.matrix(rows: batch.tokens, columns: dHidden.columns) }
        )
        for index in stride(from: self.blocks.count - 1, through: max(0, lowest), by: -1) {
            let isFirstOnly = saved.output == .firstTokens && index == self.blocks.count - 1
            let dx = index > lowest ? buffers[0] : nil
            self.blocks[index].backward(
                dy,
                saved: saved.blocks[index],
                batch: batch,
                firstRows: isFirstOnly ? Array(batch.offsets.dropLast()) : nil,
                dx: dx,
                pass: pass
            )
            if let dx { dy = dx.view }
            buffers.swapAt(0, 1)
        }
        if lowest < 0 { self.embedBackward(dy, saved: saved, batch: batch, into: buffers[0], pass: pass) }
    }

    private func embed(_ batch: PackedBatch, into hidden: MutableMatrixView, dropoutRows: [UInt32], pass: Pass)
        -> (LayerNorm.Saved, RowDropout?)
    {
        let sum = pass.arena.zeros(rows: batch.tokens, columns: hidden.columns)
        let saved = LayerNorm.Saved(x: sum.view, arena: pass.arena)
        let dropout = RowDropout(
            pass,
            site: DropoutSite.embeddings,
            rate: self.configuration.hiddenDropout,
            rows: dropoutRows
        )
        let (places, types) = (self.positions(batch), self.types(batch))
        pass.team.forEachSlab(ofRows: batch.tokens) { rows in
            self.words.forward(batch.tokenIDs[rows].lazy.map(Int.init), addingTo: sum, rows: rows)
            self.types.forward(types[rows], addingTo: sum, rows: rows)
            self.positions.forward(places[rows], addingTo: sum, rows: rows)
            self.norm.forward(saved, into: hidden, rows: rows)
            dropout?.apply(to: hidden, rows: rows)
        }
        return (saved, dropout)
    }

    private func embedBackward(
        _ dHidden: MatrixView,
        saved: Saved,
        batch: PackedBatch,
        into scratch: MutableMatrixView,
        pass: Pass
    ) {
        let dSum = pass.arena.matrix(rows: batch.tokens, columns: dHidden.columns)
        pass.team.forEachSlab(ofRows: batch.tokens) { rows in
            scratch.rows(rows).copy(dHidden.rows(rows))
            saved.embeddingsDropout?.apply(to: scratch, rows: rows)
            self.norm.backward(scratch.view, saved: saved.embeddings, dx: dSum, rows: rows)
        }
        self.norm.accumulateGradients(scratch.view, saved: saved.embeddings, team: pass.team)
        self.words.backward(dSum.view, index: batch.tokenIDs.map(Int.init), team: pass.team)
        self.types.backward(dSum.view, index: self.types(batch), team: pass.team)
        self.positions.backward(dSum.view, index: self.positions(batch), team: pass.team)
    }

    /// For each token its row in the table of positions.
    private func positions(_ batch: PackedBatch) -> [Int] {
        guard self.configuration.architecture == .roberta else { return batch.positions }
        let paddingID = self.configuration.paddingID
        return (0..<batch.sequences).flatMap { sequence in
            var last = paddingID
            return batch.tokenIDs[batch.range(of: sequence)].map { id in
                // Padding as a token of a text counts no position.
                guard id != paddingID else { return paddingID }
                last += 1
                return last
            }
        }
    }

    /// For each token its row in the table of types.
    private func types(_ batch: PackedBatch) -> [Int] {
        switch self.configuration.architecture {
        case .bert: batch.typeIDs.map(Int.init)
        case .roberta: [Int](repeating: 0, count: batch.tokens)
        }
    }

    /// The rows of the sequences' first tokens.
    private func gather(_ batch: PackedBatch, _ hidden: MatrixView, pass: Pass) -> MatrixView {
        let first = pass.arena.matrix(rows: batch.sequences, columns: hidden.columns)
        for (row, token) in batch.offsets.dropLast().enumerated() { _ = first[row].update(from: hidden[token]) }
        return first.view
    }
}
