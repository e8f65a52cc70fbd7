internal import Dispatch
internal import Encoders
internal import Layers
internal import Sweeps
internal import Tasks
internal import Tensors
internal import Tokenizers

/// Scores a model on examples: one pass gives the loss and every metric of the task.
struct Evaluator {
    let task: TaskDescription
    let network: HeadedEncoder
    let pass: Pass

    /// - Parameter isStopping: is asked between passes.
    /// - Returns: `nil` when it was stopped.
    func evaluate(
        _ examples: [EncodedExample],
        split: String,
        step: Int,
        epoch: Double,
        batchSize: Int,
        isStopping: () -> Bool
    ) -> Evaluation? {
        let before = ProcessMemory.now
        let start = DispatchTime.now()
        guard let (loss, predictions) = self.predict(examples, isStopping: isStopping) else { return nil }
        let metrics = score(
            predictions,
            against: examples.map(\.label),
            groups: examples.map(\.group),
            for: self.task
        )
        let seconds = Double(DispatchTime.now().uptimeNanoseconds - start.uptimeNanoseconds) / 1e9
        let after = ProcessMemory.now
        return Evaluation(
            split: split,
            step: step,
            epoch: epoch,
            loss: loss,
            metrics: metrics.filter { $0.value.isFinite },
            runtimeSeconds: seconds,
            samples: examples.count,
            steps: (examples.count + batchSize - 1) / batchSize,
            memory: .init(
                beforeBytes: before.residentBytes,
                afterBytes: after.residentBytes,
                peakBytes: after.peakBytes
            )
        )
    }

    /// The mean loss, and what the model says of each example.
    ///
    /// - Parameters:
    ///   - states: of each pass, where some of its blocks may be left out.
    ///   - visit: is given the outputs of examples, in order, as ``TaskDescription/loss(_:of:examples:dLogits:)``.
    func predict(
        _ examples: [EncodedExample],
        states: (_ pass: Int) -> HiddenStates? = { _ in nil },
        isStopping: () -> Bool,
        visit: (MatrixView, [EncodedExample]) -> Void = { _, _ in }
    ) -> (loss: Double, [Label])? {
        let sequences = examples.flatMap(\.sequences)
        var (loss, predictions) = (0.0, [Label]())
        predictions.reserveCapacity(examples.count)
        // Outputs of examples of which not all sequences have been read yet.
        var outputs: [Float] = []
        for (index, cut) in passCuts(sequences.map(\.ids.count)).enumerated() {
            if isStopping() { return nil }
            self.pass.arena.reset()
            var batch = PackedBatch()
            for (place, sequence) in zip(cut, sequences[cut]) {
                batch.append(tokenIDs: sequence.ids, typeIDs: sequence.typeIDs, place: place)
            }
            let (logits, _) = self.network.forward(batch, states: states(index), pass: self.pass)
            for row in 0..<logits.rows { outputs += logits[row] }
            var (complete, rows) = ([EncodedExample](), 0)
            for example in examples[predictions.count...] {
                let more = example.rows(self.task.labels)
                guard (rows + more) * logits.columns <= outputs.count else { break }
                complete.append(example)
                rows += more
            }
            outputs.withUnsafeMutableBufferPointer { outputs in
                guard let base = outputs.baseAddress else { return }
                let view = MutableMatrixView(base, rows: rows, columns: logits.columns).view
                loss += self.task.loss(view, of: complete, examples: 1, dLogits: nil)
                predictions += self.task.predictions(view, of: complete)
                visit(view, complete)
            }
            outputs.removeFirst(rows * logits.columns)
        }
        // A question's windows are examples of their own in training, and so they are here.
        return (loss / Double(self.task.labels == .span ? sequences.count : examples.count), predictions)
    }
}
