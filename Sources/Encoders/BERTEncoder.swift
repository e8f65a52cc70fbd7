public import Layers
public import Tensors

/// A BERT encoder (Devlin et al. 2018, arXiv:1810.04805), or one of its descendants, over packed sequences.
///
/// Embeddings, then the blocks, one after the other; in DeBERTa these share a table of relative positions, and a
/// convolution may stand beside the first.
public struct BERTEncoder {
    public let configuration: EncoderConfiguration
    private let embeddings: TokenEmbeddings
    private let blocks: [Block]
    private let relative: RelativeTable?
    private let convolution: ConvolutionLayer?

    /// - Parameter additions: what a method puts at each linear layer.
    public init(
        _ configuration: EncoderConfiguration,
        store: ParameterStore,
        additions: (_ block: Int, _ layer: LinearLayer) -> LayerAddition? = { _, _ in nil }
    ) {
        self.configuration = configuration
        self.embeddings = TokenEmbeddings(configuration, store: store)
        self.blocks = (0..<configuration.layers).map { index in
            Block(index, store: store, configuration: configuration) { additions(index, $0) }
        }
        self.relative = RelativeTable(configuration, store: store)
        self.convolution = ConvolutionLayer(configuration, store: store)
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
        let embeddings: TokenEmbeddings.Saved?
        let relative: RelativeTable.Part?
        let convolution: ConvolutionLayer.Saved?
        let blocks: [Block.Saved]
        let output: Output
    }

    /// The lowest block that the backward pass must reach; -1: the embeddings; `nil`: nothing is trainable.
    private var lowestTrainable: Int? {
        if self.embeddings.isTrainable { return -1 }
        if self.relative?.isTrainable == true || self.convolution?.isTrainable == true { return 0 }
        return self.blocks.firstIndex(where: \.isTrainable)
    }

    /// The hidden states, and what the backward pass needs, in the pass's arena.
    ///
    /// - Parameter states: where blocks below may be left out; in evaluation alone.
    /// - Precondition: no sequence is longer than the configuration's positions; every id is in the vocabulary.
    public func forward(_ batch: PackedBatch, output: Output, states: HiddenStates? = nil, pass: Pass)
        -> (hidden: MatrixView, saved: Saved)
    {
        let dropoutRows = pass.dropout == nil ? [] : batch.dropoutRows
        var hidden = pass.arena.matrix(rows: batch.tokens, columns: self.configuration.hidden)
        let first = states?.restore(into: hidden)
        let embeddings =
            first == nil ? self.embeddings.forward(batch, into: hidden, dropoutRows: dropoutRows, pass: pass) : nil
        let relative = self.relative?.forward(batch, pass: pass)
        var convolutionSaved: ConvolutionLayer.Saved?
        let isTraining = pass.dropout != nil
        precondition(states == nil || !isTraining, "in training every block is computed")
        var (saved, spare) = ([Block.Saved](), hidden)
        if !isTraining { spare = pass.arena.matrix(rows: hidden.rows, columns: hidden.columns) }
        for (index, block) in self.blocks.enumerated().dropFirst(first ?? 0) {
            if first == nil, index == states?.block { states?.keep(hidden.view) }
            let isFirstOnly = output == .firstTokens && index == self.blocks.count - 1
            let queries = isFirstOnly ? self.gather(batch, hidden.view, pass: pass) : hidden.view
            if isTraining { spare = pass.arena.matrix(rows: queries.rows, columns: hidden.columns) }
            let next = spare.rows(0..<queries.rows)
            let mark = pass.arena.mark
            let rows = isFirstOnly && isTraining ? batch.offsets.dropLast().map { dropoutRows[$0] } : dropoutRows
            let blockSaved = block.forward(
                hidden.view,
                queries: queries,
                relative: relative,
                batch: batch,
                tokenRows: dropoutRows,
                dropoutRows: rows,
                into: next,
                pass: pass
            )
            if index == 0 {
                convolutionSaved = self.convolution?.forward(
                    hidden.view,
                    tokens: isFirstOnly ? batch.offsets.dropLast() : Array(0..<batch.tokens),
                    batch: batch,
                    dropoutRows: rows,
                    into: next,
                    pass: pass
                )
            }
            // Outside training nothing of a block outlives it; two buffers take turns.
            if isTraining { saved.append(blockSaved) } else { pass.arena.release(to: mark) }
            (hidden, spare) = (next, hidden)
        }
        return (
            hidden.view,
            Saved(
                embeddings: embeddings,
                relative: relative,
                convolution: convolutionSaved,
                blocks: saved,
                output: output
            )
        )
    }

    /// Adds to the gradients of what is trainable, from the top down to the lowest of it.
    ///
    /// - Parameter dHidden: as the forward pass's hidden states.
    public func backward(_ dHidden: MatrixView, saved: Saved, batch: PackedBatch, pass: Pass) {
        let mark = pass.arena.mark
        defer { pass.arena.release(to: mark) }
        guard let lowest = self.lowestTrainable else { return }
        let dRelative =
            self.relative?.isTrainable == true
            ? saved.relative.map { pass.arena.zeros(rows: $0.rows.rows, columns: $0.rows.columns) } : nil
        var dConvolved: MutableMatrixView?
        var (dy, buffers) = (
            dHidden, (0..<2).map { _ in pass.arena.matrix(rows: batch.tokens, columns: dHidden.columns) }
        )
        for index in stride(from: self.blocks.count - 1, through: max(0, lowest), by: -1) {
            let isFirstOnly = saved.output == .firstTokens && index == self.blocks.count - 1
            let dx = index > lowest ? buffers[0] : nil
            if index == 0, let convolution = self.convolution, let saved = saved.convolution {
                dConvolved = dx.map { pass.arena.zeros(rows: $0.rows, columns: $0.columns) }
                let dBlock = pass.arena.matrix(rows: dy.rows, columns: dy.columns)
                convolution.backward(dy, saved: saved, batch: batch, dBlock: dBlock, addingTo: dConvolved, pass: pass)
                dy = dBlock.view
            }
            self.blocks[index].backward(
                dy,
                saved: saved.blocks[index],
                batch: batch,
                firstRows: isFirstOnly ? Array(batch.offsets.dropLast()) : nil,
                dx: dx,
                dRelative: dRelative,
                pass: pass
            )
            if let dx { dy = dx.view }
            if let dx, let dConvolved {
                for row in 0..<dx.rows { Elementwise.add(dConvolved.view[row], to: dx[row]) }
            }
            buffers.swapAt(0, 1)
        }
        if let dRelative, let part = saved.relative { self.relative?.backward(dRelative.view, saved: part, pass: pass) }
        if lowest < 0, let embeddings = saved.embeddings {
            self.embeddings.backward(dy, saved: embeddings, batch: batch, into: buffers[0], pass: pass)
        }
    }

    /// The rows of the sequences' first tokens.
    private func gather(_ batch: PackedBatch, _ hidden: MatrixView, pass: Pass) -> MatrixView {
        let first = pass.arena.matrix(rows: batch.sequences, columns: hidden.columns)
        for (row, token) in batch.offsets.dropLast().enumerated() { _ = first[row].update(from: hidden[token]) }
        return first.view
    }
}
