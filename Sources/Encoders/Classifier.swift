public import Layers
public import Tensors

/// An encoder with the head that HF's `…ForSequenceClassification` puts on it; with one output it is a regression.
///
///     pooled = f(W_p dropout(h[first]) + b_p)        logits = W_c dropout(pooled) + b_c
///
/// In BERT `f` is tanh and nothing drops out of `h[first]`; in RoBERTa `f` is tanh; DeBERTa's configuration names both.
///
/// Shapes: `h[first]` and `pooled` are `[sequences, hidden]`, `logits` is `[sequences, outputs]`.
public struct Classifier {
    public let encoder: BERTEncoder
    private let pooler: Linear
    private let activation: Activation
    private let classifier: Linear

    public init(
        _ configuration: EncoderConfiguration,
        store: ParameterStore,
        adapters: (_ block: Int, _ layer: LinearLayer) -> (any LinearAdapter)? = { _, _ in nil }
    ) {
        self.encoder = BERTEncoder(configuration, store: store, adapters: adapters)
        self.pooler = store.linear(configuration.poolerPath)
        self.activation = configuration.poolerActivation
        self.classifier = store.linear(configuration.classifierPath)
    }

    public var outputs: Int { self.classifier.weight.value.rows }

    /// What the backward pass needs.
    public struct Saved {
        let encoder: BERTEncoder.Saved
        let inputDropout: RowDropout?
        let pooler: Linear.Saved
        /// The activation's derivative.
        let slope: MatrixView
        let dropout: RowDropout?
        let classifier: Linear.Saved
    }

    public func forward(_ batch: PackedBatch, pass: Pass) -> (logits: MatrixView, saved: Saved) {
        let (first, encoderSaved) = self.encoder.forward(batch, output: .firstTokens, pass: pass)
        let rows = batch.places.map { Dropout.row(place: $0, token: 0) }
        let hidden = pass.arena.matrix(rows: first.rows, columns: first.columns)
        hidden.copy(first)
        let inputDropout = RowDropout(
            pass,
            site: DropoutSite.pooler,
            rate: self.encoder.configuration.poolerDropout,
            rows: rows
        )
        inputDropout?.apply(to: hidden, rows: 0..<batch.sequences)
        let inner = pass.arena.matrix(rows: batch.sequences, columns: hidden.columns)
        let dropped = pass.arena.matrix(rows: batch.sequences, columns: hidden.columns)
        let poolerSaved = self.pooler.forward(hidden.view, into: inner, pass: pass) { rows in
            for row in rows { self.activation.forward(inner[row], into: dropped[row]) }
        }
        let dropout = RowDropout(
            pass,
            site: DropoutSite.classifier,
            rate: self.encoder.configuration.classifierDropout,
            rows: rows
        )
        dropout?.apply(to: dropped, rows: 0..<batch.sequences)
        let logits = pass.arena.matrix(rows: batch.sequences, columns: self.outputs)
        let classifierSaved = self.classifier.forward(dropped.view, into: logits, pass: pass)
        let saved = Saved(
            encoder: encoderSaved,
            inputDropout: inputDropout,
            pooler: poolerSaved,
            slope: inner.view,
            dropout: dropout,
            classifier: classifierSaved
        )
        return (logits.view, saved)
    }

    /// Adds to the gradients of what is trainable.
    public func backward(_ dLogits: MatrixView, saved: Saved, batch: PackedBatch, pass: Pass) {
        let mark = pass.arena.mark
        defer { pass.arena.release(to: mark) }
        let (rows, hidden) = (batch.sequences, saved.slope.columns)
        let dPooled = pass.arena.matrix(rows: rows, columns: hidden)
        self.classifier.backward(dLogits, saved: saved.classifier, dx: dPooled, pass: pass)
        saved.dropout?.apply(to: dPooled, rows: 0..<rows)
        for row in 0..<rows { Elementwise.multiply(saved.slope[row], into: dPooled[row]) }
        let dHidden = pass.arena.matrix(rows: rows, columns: hidden)
        self.pooler.backward(dPooled.view, saved: saved.pooler, dx: dHidden, pass: pass)
        saved.inputDropout?.apply(to: dHidden, rows: 0..<rows)
        self.encoder.backward(dHidden.view, saved: saved.encoder, batch: batch, pass: pass)
    }
}
