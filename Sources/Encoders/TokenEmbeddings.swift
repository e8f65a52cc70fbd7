internal import Layers
internal import Tensors

/// What the blocks start from.
///
///     h = dropout(LayerNorm(P (word[id] + type[type] + position[place])))
///
/// Shapes: the sum is `[tokens, embedding]`, `h` is `[tokens, hidden]`. `P` stands only where the two widths differ,
/// positions and types only where the architecture has them.
struct TokenEmbeddings {
    private let configuration: EncoderConfiguration
    private let words: Embedding
    private let positions: Embedding?
    private let types: Embedding?
    private let projection: Parameter?
    private let norm: LayerNorm

    init(_ configuration: EncoderConfiguration, store: ParameterStore) {
        func table(_ name: String, padding: Int? = nil) -> Embedding {
            Embedding(table: store["embeddings.\(name).weight"], padding: padding)
        }
        self.configuration = configuration
        self.words = table("word_embeddings", padding: configuration.paddingID)
        self.positions =
            configuration.hasPositionTable
            ? table(
                "position_embeddings",
                padding: configuration.architecture == .roberta ? configuration.paddingID : nil
            ) : nil
        self.types = configuration.types > 0 ? table("token_type_embeddings") : nil
        self.projection = configuration.projectsEmbeddings ? store["embeddings.embed_proj.weight"] : nil
        self.norm = store.norm("embeddings.LayerNorm", configuration)
    }

    /// What the backward pass needs.
    struct Saved {
        let sum: MatrixView
        let norm: LayerNorm.Saved
        let dropout: RowDropout?
    }

    var isTrainable: Bool {
        self.norm.isTrainable || self.projection?.isTrainable == true
            || [self.words, self.positions, self.types].contains { $0?.table.isTrainable == true }
    }

    func forward(_ batch: PackedBatch, into hidden: MutableMatrixView, dropoutRows: [UInt32], pass: Pass) -> Saved {
        let sum = pass.arena.zeros(rows: batch.tokens, columns: self.configuration.embedding)
        let projected =
            self.projection == nil ? sum : pass.arena.matrix(rows: batch.tokens, columns: hidden.columns)
        let saved = LayerNorm.Saved(x: projected.view, arena: pass.arena)
        let dropout = RowDropout(
            pass,
            site: DropoutSite.embeddings,
            rate: self.configuration.hiddenDropout,
            rows: dropoutRows
        )
        let (places, types) = (self.positions(batch), self.types(batch))
        pass.team.forEachSlab(ofRows: batch.tokens) { rows in
            self.words.forward(batch.tokenIDs[rows].lazy.map(Int.init), addingTo: sum, rows: rows)
            self.types?.forward(types[rows], addingTo: sum, rows: rows)
            self.positions?.forward(places[rows], addingTo: sum, rows: rows)
            if let projection {
                multiply(sum.view.rows(rows), projection.value, transposing: .second, into: projected.rows(rows))
            }
            self.norm.forward(saved, into: hidden, rows: rows)
            dropout?.apply(to: hidden, rows: rows)
        }
        return Saved(sum: sum.view, norm: saved, dropout: dropout)
    }

    /// Adds to the gradients of what is trainable.
    func backward(
        _ dHidden: MatrixView,
        saved: Saved,
        batch: PackedBatch,
        into scratch: MutableMatrixView,
        pass: Pass
    ) {
        let dProjected = pass.arena.matrix(rows: batch.tokens, columns: dHidden.columns)
        let dSum =
            self.projection == nil ? dProjected : pass.arena.matrix(rows: batch.tokens, columns: saved.sum.columns)
        pass.team.forEachSlab(ofRows: batch.tokens) { rows in
            scratch.rows(rows).copy(dHidden.rows(rows))
            saved.dropout?.apply(to: scratch, rows: rows)
            self.norm.backward(scratch.view, saved: saved.norm, dx: dProjected, rows: rows)
            if let projection { multiply(dProjected.view.rows(rows), projection.value, into: dSum.rows(rows)) }
        }
        self.norm.accumulateGradients(scratch.view, saved: saved.norm, team: pass.team)
        if let gradient = self.projection?.gradient {
            pass.team.forEachSlab(ofRows: gradient.rows) { rows in
                multiply(
                    dProjected.view.columns(rows),
                    saved.sum,
                    transposing: .first,
                    adding: true,
                    into: gradient.rows(rows)
                )
            }
        }
        self.words.backward(dSum.view, index: batch.tokenIDs.map(Int.init), team: pass.team)
        self.types?.backward(dSum.view, index: self.types(batch), team: pass.team)
        self.positions?.backward(dSum.view, index: self.positions(batch), team: pass.team)
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

    /// For each token its row in the table of types; a table of one has nothing to tell apart.
    private func types(_ batch: PackedBatch) -> [Int] {
        self.configuration.architecture == .roberta || self.configuration.types < 2
            ? [Int](repeating: 0, count: batch.tokens) : batch.typeIDs.map(Int.init)
    }
}
