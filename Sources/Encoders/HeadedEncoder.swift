public import Layers
public import Tensors

/// An encoder with a head.
///
///     logits = W pooler(h[first]) + b        of a sequence or a candidate
///     logits = W h + b                       of the tokens of a span
///
/// Shapes: `h` is `[tokens, hidden]`, `logits` is `[sequences, outputs]` or `[tokens, outputs]`.
public struct HeadedEncoder {
    public let encoder: BERTEncoder
    public let head: Head
    private let pooler: Pooler?
    private let output: Linear

    public init(
        _ configuration: EncoderConfiguration,
        head: Head,
        store: ParameterStore,
        additions: (_ block: Int, _ layer: LinearLayer) -> LayerAddition? = { _, _ in nil }
    ) {
        self.encoder = BERTEncoder(configuration, store: store, additions: additions)
        self.head = head
        self.pooler = Pooler(head, configuration, store: store)
        self.output = store.linear(configuration.outputPath(head))
    }

    /// What the backward pass needs.
    public struct Saved {
        let encoder: BERTEncoder.Saved
        let pooler: Pooler.Saved?
        let output: Linear.Saved
    }

    /// - Parameter states: see ``BERTEncoder/forward(_:output:states:pass:)``.
    public func forward(_ batch: PackedBatch, states: HiddenStates? = nil, pass: Pass)
        -> (logits: MatrixView, saved: Saved)
    {
        let (hidden, encoder) = self.encoder.forward(
            batch,
            output: self.head.readsEveryToken ? .everyToken : .firstTokens,
            states: states,
            pass: pass
        )
        let pooled = self.pooler?.forward(hidden, places: batch.places, pass: pass)
        let logits = pass.arena.matrix(rows: hidden.rows, columns: self.head.outputs)
        let output = self.output.forward(pooled?.y ?? hidden, into: logits, pass: pass)
        return (logits.view, Saved(encoder: encoder, pooler: pooled?.saved, output: output))
    }

    /// Adds to the gradients of what is trainable.
    public func backward(_ dLogits: MatrixView, saved: Saved, batch: PackedBatch, pass: Pass) {
        let mark = pass.arena.mark
        defer { pass.arena.release(to: mark) }
        let dInput = pass.arena.matrix(rows: dLogits.rows, columns: self.encoder.configuration.hidden)
        self.output.backward(dLogits, saved: saved.output, dx: dInput, pass: pass)
        var dHidden = dInput.view
        if let pooler = self.pooler, let saved = saved.pooler {
            dHidden = pooler.backward(dInput, saved: saved, pass: pass)
        }
        self.encoder.backward(dHidden, saved: saved.encoder, batch: batch, pass: pass)
    }
}
