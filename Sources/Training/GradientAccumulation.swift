internal import Encoders
internal import Layers
internal import Sweeps
internal import Tensors

/// Adds up the gradients of a step's mean loss, pass by pass.
struct GradientAccumulation {
    let task: TaskDescription
    let network: HeadedEncoder
    let team: Team
    let arena: Arena

    /// - Parameter passTokens: about how many tokens make a pass; it decides no more than rounding.
    /// - Returns: the sum of the examples' losses.
    func run(_ examples: [EncodedExample], dropout: Dropout, passTokens: Int = defaultPassTokens) -> Double {
        let pass = Pass(team: self.team, arena: self.arena, dropout: dropout)
        return TrainingPart.parts(of: examples, passTokens: passTokens).reduce(0) { sum, part in
            let isSingle = part.passes.count == 1
            return sum + (isSingle ? self.single(part, examples.count, pass) : self.several(part, examples.count, pass))
        }
    }

    private func single(_ part: TrainingPart, _ stepExamples: Int, _ pass: Pass) -> Double {
        self.arena.reset()
        let (logits, saved) = self.network.forward(part.passes[0], pass: pass)
        let dLogits = self.arena.matrix(rows: logits.rows, columns: logits.columns)
        let loss = self.task.loss(logits, of: part.examples, examples: stepExamples, dLogits: dLogits)
        self.network.backward(dLogits.view, saved: saved, batch: part.passes[0], pass: pass)
        return loss
    }

    /// An example whose sequences are more than a pass takes. Its loss joins them all, so that each is computed twice:
    /// for its outputs, and again, with the same dropout, for its gradients. That takes one pass's memory.
    private func several(_ part: TrainingPart, _ stepExamples: Int, _ pass: Pass) -> Double {
        let rows = part.passes.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1.sequences) }
        let logits = Matrix(rows: rows.last ?? 0, columns: self.network.head.outputs)
        for (index, batch) in part.passes.enumerated() {
            self.arena.reset()
            let outputs = self.network.forward(batch, pass: pass).logits
            logits.mutableView.rows(rows[index]..<rows[index + 1]).copy(outputs)
        }
        let dLogits = Matrix(rows: logits.rows, columns: logits.columns)
        let loss = self.task.loss(
            logits.view,
            of: part.examples,
            examples: stepExamples,
            dLogits: dLogits.mutableView
        )
        for (index, batch) in part.passes.enumerated() {
            self.arena.reset()
            let saved = self.network.forward(batch, pass: pass).saved
            let dPass = dLogits.view.rows(rows[index]..<rows[index + 1])
            self.network.backward(dPass, saved: saved, batch: batch, pass: pass)
        }
        return loss
    }
}
