internal import Layers
internal import Tensors

/// The vectors of relative positions, which all blocks of a DeBERTa share. Only the rows that a batch's longest sequence
/// has are looked at.
struct RelativeTable {
    let positions: RelativePositions
    /// `[2 · span, hidden]`
    let table: Parameter
    let norm: LayerNorm?

    init?(_ configuration: EncoderConfiguration, store: ParameterStore) {
        guard let deberta = configuration.deberta, let positions = deberta.relative else { return nil }
        self.positions = positions
        self.table = store[EncoderConfiguration.relativeTable]
        self.norm = deberta.normsRelative ? store.norm(EncoderConfiguration.relativeNorm, configuration) : nil
    }

    var isTrainable: Bool { self.table.isTrainable || self.norm?.isTrainable == true }

    /// What a batch uses of it.
    struct Part {
        let positions: RelativePositions
        let longest: Int
        /// In the table.
        let range: Range<Int>
        /// `[range, hidden]`, normalised.
        let rows: MatrixView
        let norm: LayerNorm.Saved?
    }

    func forward(_ batch: PackedBatch, pass: Pass) -> Part {
        let longest = (0..<batch.sequences).map { batch.range(of: $0).count }.max() ?? 1
        let range = self.positions.rows(length: longest)
        let given = self.table.value.rows(range)
        func part(_ rows: MatrixView, _ saved: LayerNorm.Saved?) -> Part {
            Part(positions: self.positions, longest: longest, range: range, rows: rows, norm: saved)
        }
        guard let norm = self.norm else { return part(given, nil) }
        let (saved, rows) = (
            LayerNorm.Saved(x: given, arena: pass.arena), pass.arena.matrix(rows: given.rows, columns: given.columns)
        )
        norm.forward(saved, into: rows, rows: 0..<rows.rows)
        return part(rows.view, saved)
    }

    /// Adds to the gradients of what is trainable.
    func backward(_ dRows: MatrixView, saved: Part, pass: Pass) {
        var dGiven = dRows
        if let norm = self.norm, let saved = saved.norm {
            norm.accumulateGradients(dRows, saved: saved, team: pass.team)
            let dx = pass.arena.matrix(rows: dRows.rows, columns: dRows.columns)
            norm.backward(dRows, saved: saved, dx: dx, rows: 0..<dRows.rows)
            dGiven = dx.view
        }
        guard let gradient = self.table.gradient?.rows(saved.range) else { return }
        for row in 0..<dGiven.rows { Elementwise.add(dGiven[row], to: gradient[row]) }
    }
}
