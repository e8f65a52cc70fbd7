internal import Adapters
internal import Digests
internal import Encoders
internal import Files
internal import Sweeps
internal import Tasks
internal import Tensors

// How a run is scored: validation while it trains, the best so far, the end of each stage, and the result.
extension TrainingRun {
    /// Validation is scored at each epoch's end or interval, and after the last step, once each.
    var isEvaluationDue: Bool {
        let interval = self.hyperparameters.evaluationInterval ?? self.batches.stepsPerEpoch
        let step = self.state.step
        guard step > 0, step % interval == 0 || step == self.schedule.steps || self.schedule.endsStage(step) else {
            return false
        }
        return self.state.evaluations.last?.step != step
    }

    /// - Returns: `false` when it was stopped.
    func evaluateAndKeepBest() throws -> Bool {
        guard let evaluation = self.evaluate(self.examples.validation, split: "validation") else { return false }
        self.state.evaluations.append(evaluation)
        let quality = self.quality(evaluation)
        // Later stages go on from the best of the first, and are scored as they end.
        if self.hyperparameters.checkpoint == .best, self.state.step <= self.schedule.firstSteps,
            self.state.bestStep == nil || quality > self.state.bestMetric ?? -.infinity
        {
            self.state.bestStep = self.state.step
            self.state.bestMetric = quality.isFinite ? quality : nil
            self.best.mutableView.copy(self.model.store.values.view)
        }
        try self.emit(.evaluated(evaluation))
        return true
    }

    private var evaluator: Evaluator {
        Evaluator(task: self.task, network: self.model.network, pass: self.pass)
    }

    func evaluate(_ examples: [EncodedExample], split: String) -> Evaluation? {
        self.evaluator.evaluate(
            examples,
            split: split,
            step: self.state.step,
            epoch: self.epoch,
            batchSize: self.hyperparameters.batchSize,
            isStopping: self.isStopping
        )
    }

    /// What is greater for a better evaluation; an undefined metric is worse than any other.
    private func quality(_ evaluation: Evaluation) -> Double {
        switch self.hyperparameters.selection {
        case .metric: evaluation.metrics[self.task.selection] ?? -.infinity
        case .loss: evaluation.loss.isFinite ? -evaluation.loss : -.infinity
        }
    }

    /// Whether as many evaluations as `patience` have passed since the best one.
    var isPatienceOver: Bool {
        guard let patience = self.hyperparameters.patience else { return false }
        let qualities = self.state.evaluations.map(self.quality)
        guard let best = qualities.max(), let first = qualities.firstIndex(of: best) else { return false }
        return qualities.count - 1 - first >= patience
    }

    var validationScorer: ValidationScorer {
        ValidationScorer(self.evaluator, examples: self.examples.validation, isStopping: self.isStopping)
    }

    /// Puts the parameters to be scored in place, scores them on the training sample and on the test split where there
    /// is one, once each, and writes them.
    ///
    /// - Returns: `nil` when it was stopped.
    func score() throws -> ShardResult? {
        let last = Matrix(rows: 1, columns: self.model.store.values.columns)
        last.mutableView.copy(self.model.store.values.view)
        let scoredStep = self.state.bestStep ?? self.state.step
        if self.state.bestStep != nil { self.putInPlace(self.best.view) }
        var evaluations = self.state.evaluations
        var scored = evaluations.last { $0.step == scoredStep && $0.split == "validation" }
        let splits = [("train", self.examples.trainingSample), ("test", self.examples.test)]
        for (split, examples) in splits where !examples.isEmpty {
            guard var evaluation = self.evaluate(examples, split: split) else {
                // A checkpoint to go on from holds the last parameters.
                self.putInPlace(last.view)
                return nil
            }
            (evaluation.step, evaluation.epoch) = (scoredStep, Double(scoredStep) / Double(self.batches.stepsPerEpoch))
            evaluations.append(evaluation)
            try self.emit(.evaluated(evaluation))
            if split == "test" { scored = evaluation }
        }
        if let path = self.logs.logitsFile {
            let examples = self.examples.test.isEmpty ? self.examples.validation : self.examples.test
            try DurableFile.write(try self.evaluator.logits(examples), to: path)
        }
        guard let scored else { preconditionFailure("step \(scoredStep) was not evaluated") }
        let raw = try CheckpointFile.writeParameters(self.model.store, key: self.key, step: scoredStep)
        try self.folder.write(raw, as: AttemptFolder.parametersFile)
        try self.write(raw, kind: .best, step: scoredStep)
        return self.result(scored: scored, evaluations: evaluations, scoredStep: scoredStep, raw: raw)
    }

    /// Replaces all trainable parameters.
    private func putInPlace(_ values: MatrixView) {
        self.model.store.values.mutableView.copy(values)
        self.model.rebuild()
    }

    // MARK: Stages

    var isStageOver: Bool {
        self.schedule.endsStage(self.state.step) && self.state.stages?.last?.step != self.state.step
    }

    /// Measures where a stage led; after the first, the best parameters so far are those to go on with.
    ///
    /// - Returns: `false` when it was stopped.
    func finishStage() throws -> Bool {
        let stages = self.state.stages ?? []
        if stages.isEmpty, self.state.bestStep != nil { self.putInPlace(self.best.view) }
        let metric = self.task.selection
        let scored = self.state.evaluations.last { $0.step == self.state.bestStep ?? self.state.step }
        guard let training = self.evaluate(self.examples.trainingSample, split: "train") else { return false }
        func percent(_ value: Double?, of first: Double?) -> Double? {
            guard let value, let first = first ?? value as Double?, first != 0 else { return nil }
            return 100 * value / first
        }
        let adaptation = self.model.adaptation
        let (validation, own) = (scored?.metrics[metric], training.metrics[metric])
        self.state.stages =
            stages + [
                StageResult(
                    step: self.state.step,
                    sparsity: adaptation.sparsity(stage: stages.count) ?? 0,
                    ranks: adaptation.keptRanks.reduce(0) { $0 + $1.kept.count },
                    validation: validation,
                    generalization: percent(validation, of: stages.first?.validation),
                    training: own,
                    memorization: percent(own, of: stages.first?.training)
                )
            ]
        // What follows goes on from these parameters, and is scored as it ends.
        if self.state.step < self.schedule.steps { (self.state.bestStep, self.state.bestMetric) = (nil, nil) }
        return true
    }

    private func result(scored: Evaluation, evaluations: [Evaluation], scoredStep: Int, raw: [UInt8]) -> ShardResult {
        let shard = self.order.shard
        let adaptation = self.model.adaptation
        let (initial, final) = (adaptation.initialCounts, adaptation.counts)
        let ranks = adaptation.keptRanks.map {
            LayerRanks(
                block: $0.place.block,
                layer: $0.place.layer.rawValue,
                initial: adaptation.initialRank,
                final: $0.kept.count
            )
        }
        var result = ShardResult(
            key: self.key,
            task: self.task.name,
            method: shard.method,
            seed: shard.seed,
            splitProtocol: self.hyperparameters.splitProtocol,
            scored: scored,
            evaluations: evaluations,
            trainingLoss: self.state.lossSum / Double(max(1, self.state.lossExamples)),
            steps: self.state.step,
            epochs: self.epoch,
            scoredStep: scoredStep,
            runtimeSeconds: self.state.seconds,
            samplesPerSecond: Double(self.state.samples) / max(self.state.seconds, 1e-9),
            stepsPerSecond: Double(self.state.step) / max(self.state.seconds, 1e-9),
            peakMemoryBytes: ProcessMemory.now.peakBytes,
            trainableParametersInitial: initial.published,
            trainableParametersFinal: final.published,
            headParameters: self.model.store.trainableCounts.head,
            parametersDigest: SHA256.hash(raw),
            environment: self.environment
        )
        (result.trueParametersInitial, result.trueParametersFinal) = (initial.exact, final.exact)
        result.plannedSteps = self.schedule.steps
        result.ranks = ranks.isEmpty ? nil : ranks
        result.stages = self.state.stages
        return result
    }
}
