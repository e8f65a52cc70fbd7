internal import Dispatch
internal import Encoders
internal import Layers
internal import Sweeps
internal import Tasks
internal import Tensors

/// Scores a model on examples: one pass gives the loss and every metric of the task.
struct Evaluator {
    let task: TaskDescription
    let classifier: Classifier
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
        let start = DispatchTime.now()
        var (loss, predictions) = (0.0, Predictions(capacity: examples.count))
        for labelled in LabelledBatch.packing(examples) {
            if isStopping() { return nil }
            self.pass.arena.reset()
            let (logits, _) = self.classifier.forward(labelled.batch, pass: self.pass)
            loss += self.task.loss(logits, labelled, examples: 1, dLogits: nil)
            predictions.append(logits, isClass: self.task.labels != .score)
        }
        let metrics = score(
            predictions.values,
            against: examples.map(\.label),
            groups: examples.map(\.group),
            for: self.task
        )
        let seconds = Double(DispatchTime.now().uptimeNanoseconds - start.uptimeNanoseconds) / 1e9
        return Evaluation(
            split: split,
            step: step,
            epoch: epoch,
            loss: loss / Double(examples.count),
            metrics: metrics.filter { $0.value.isFinite },
            runtimeSeconds: seconds,
            samples: examples.count,
            steps: (examples.count + batchSize - 1) / batchSize
        )
    }
}

/// What a model says of each example: a class or a score.
private struct Predictions {
    private(set) var values: [Label] = []

    init(capacity: Int) { self.values.reserveCapacity(capacity) }

    mutating func append(_ logits: MatrixView, isClass: Bool) {
        for row in 0..<logits.rows {
            let outputs = logits[row]
            // Of equal logits the first class wins, as NumPy's argmax has it.
            let best = outputs.indices.reduce(0) { outputs[$1] > outputs[$0] ? $1 : $0 }
            self.values.append(isClass ? .classIndex(best) : .score(outputs[0]))
        }
    }
}

extension TaskDescription {
    /// The sum of a batch's losses, with its gradient where asked for: cross-entropy of classes, squared error of scores.
    ///
    /// - Parameter examples: over how many the step's mean is taken.
    func loss(_ logits: MatrixView, _ batch: LabelledBatch, examples: Int, dLogits: MutableMatrixView?) -> Double {
        switch self.labels {
        case .classes: Loss.crossEntropy(logits, labels: batch.classes, examples: examples, dLogits: dLogits)
        case .score: Loss.squaredError(logits, labels: batch.scores, examples: examples, dPredictions: dLogits)
        }
    }
}
