internal import Adapters
internal import Digests
internal import Dispatch
internal import Encoders
internal import Files
internal import Layers
public import Sweeps
internal import Tasks
internal import Tensors
internal import Tokenizers

/// How a run ended.
public enum TrainingOutcome: Sendable {
    case finished(ShardResult)
    /// It was asked to stop and left a checkpoint.
    case interrupted
}

/// A run that cannot go on, with what decides whether another try makes sense.
public struct TrainingFailure: Error, Hashable, Sendable, CustomStringConvertible {
    public let kind: FailureKind
    public let description: String

    public init(kind: FailureKind, _ description: String) {
        self.kind = kind
        self.description = description
    }
}

/// Trains one shard from its start or a checkpoint to its result. The same shard gives the same bits on any number
/// of threads, in one run or after any number of stops.
public final class TrainingRun {
    private let order: TrainerOrder
    private let key: ShardKey
    private let hyperparameters: Hyperparameters
    private let task: TaskDescription
    private let examples: EncodedSplits
    private let model: Model
    private let schedule: Schedule
    private var batches: BatchOrder
    private let optimizer: AdamW
    /// The best parameters so far, where the shard keeps them.
    private let best: Matrix
    private let team: Team
    private let arena = Arena()
    private var state: TrainingState
    private let folder: AttemptFolder
    /// Where the first step's gradients go; nil once they are there.
    private var gradientsFile: String?
    private let environment: Environment
    private let emit: (TrainerEvent) throws -> Void
    private let isStopping: () -> Bool

    /// Reads everything that the run needs.
    ///
    /// - Parameters:
    ///   - folder: of this attempt; checkpoints go here.
    ///   - initial: a folder with parameters to start from instead of new ones.
    ///   - gradientsFile: gets the gradients of the mean loss of the first step that this run takes, before clipping, of
    ///     all trainable parameters, as safetensors under HF's names.
    ///   - environment: what the machine is, for the result.
    ///   - emit: is told every event, in order.
    ///   - isStopping: is asked between steps.
    public init(
        _ order: TrainerOrder,
        folder: String,
        initial: String? = nil,
        gradientsFile: String? = nil,
        environment: Environment,
        emit: @escaping (TrainerEvent) throws -> Void,
        isStopping: @escaping () -> Bool
    ) throws {
        let shard = order.shard
        let hyperparameters = Hyperparameters(shard.settings)
        let task = try TaskDescription.named(shard.task)
        let model = try Model(
            folder: order.backboneFolder,
            method: fineTuningMethod(shard.method, settings: shard.settings),
            head: task.labels.head,
            hyperparameters: hyperparameters,
            seed: UInt64(shard.seed)
        )
        let examples = try EncodedSplits(
            task: task,
            dataFolder: order.dataFolder,
            backboneFolder: order.backboneFolder,
            configuration: model.configuration,
            hyperparameters: hyperparameters,
            cache: TokenCache(order, hyperparameters)
        )
        if let initial { try model.store.load(folder: initial) }
        let attempt = try AttemptFolder(folder)

        self.order = order
        self.key = shard.key
        self.hyperparameters = hyperparameters
        self.task = task
        self.model = model
        self.examples = examples
        self.schedule = Schedule(hyperparameters, examples: examples.train.count)
        self.batches = BatchOrder(
            examples: examples.train.count,
            batchSize: hyperparameters.batchSize,
            seed: UInt64(shard.seed),
            isShuffled: hyperparameters.shuffle
        )
        let count = model.store.values.columns
        self.optimizer = AdamW(count: count, hyperparameters)
        self.best = Matrix(rows: 1, columns: hyperparameters.checkpoint == .best ? count : 0)
        self.team = Team(threads: order.threads)
        self.state = TrainingState(key: shard.key)
        self.folder = attempt
        self.gradientsFile = gradientsFile
        self.environment = environment
        self.emit = emit
        self.isStopping = isStopping
        if let path = order.resume { try self.resume(from: path) }
    }

    private func resume(from path: String) throws {
        let limit = CheckpointFile.limitBytes(self.model.store)
        let raw = try CheckpointContainer.unpack(
            try File.contents(path: path, limitBytes: limit),
            limitBytes: limit
        )
        self.state = try CheckpointFile.read(
            raw,
            path: path,
            key: self.key,
            into: self.model.store,
            optimizer: self.optimizer,
            best: self.best
        )
    }

    /// Trains, scores, and leaves the scored parameters and the result.
    ///
    /// - Throws: ``TrainingFailure`` and the errors of the files that it reads and writes.
    public func run() throws -> TrainingOutcome {
        let started = Clock.seconds
        try self.emit(
            .started(
                .init(
                    key: self.key,
                    step: self.state.step,
                    steps: self.schedule.steps,
                    trainableParameters: self.model.store.values.columns,
                    kernelClass: self.environment.kernelClass,
                    skippedTensors: self.model.skipped.isEmpty ? nil : self.model.skipped,
                    initialisedTensors: self.model.initialised.isEmpty ? nil : self.model.initialised
                )
            )
        )
        var lastCheckpoint = Clock.seconds
        while true {
            if self.isEvaluationDue, try !self.evaluateAndKeepBest() { return try self.interrupt() }
            if self.state.step == self.schedule.steps { break }
            if self.isStopping() { return try self.interrupt() }
            try self.takeStep()
            if Clock.seconds - lastCheckpoint >= self.order.checkpointSeconds, self.state.step < self.schedule.steps {
                try self.saveCheckpoint()
                lastCheckpoint = Clock.seconds
            }
        }
        guard var result = try self.score() else { return try self.interrupt() }
        result.elapsedSeconds = Clock.seconds - started
        try self.emit(.finished(result))
        return .finished(result)
    }

    private var epoch: Double { Double(self.state.step) / Double(self.batches.stepsPerEpoch) }

    private var pass: Pass { Pass(team: self.team, arena: self.arena) }

    // MARK: Steps

    private func takeStep() throws {
        let start = Clock.seconds
        let step = self.state.step
        if step % self.batches.stepsPerEpoch == 0 { (self.state.lossSum, self.state.lossExamples) = (0, 0) }
        let examples = self.batches.batch(after: step).map { self.examples.train[$0] }
        let lossSum = GradientAccumulation(
            task: self.task,
            network: self.model.network,
            team: self.team,
            arena: self.arena
        ).run(examples, dropout: Dropout(seed: UInt64(self.order.shard.seed), step: step))
        if let path = self.gradientsFile.take() { try DurableFile.write(try self.model.gradients(), to: path) }
        let loss = lossSum / Double(examples.count)
        let learningRate = self.schedule.learningRate(after: step)
        let norm = self.optimizer.update(self.model.store, step: step + 1, learningRate: learningRate, team: self.team)
        guard loss.isFinite, norm.isFinite else {
            throw TrainingFailure(
                kind: .diverged,
                "the loss is \(loss) and the gradients' norm \(norm) at step \(step + 1); lower learningRate"
            )
        }
        self.state.step += 1
        self.state.lossSum += lossSum
        self.state.lossExamples += examples.count
        self.state.samples += examples.count
        let seconds = Clock.seconds - start
        self.state.seconds += seconds
        try self.emit(
            .step(
                .init(
                    step: self.state.step,
                    steps: self.schedule.steps,
                    loss: loss,
                    learningRate: learningRate,
                    samplesPerSecond: Double(examples.count) / max(seconds, 1e-9)
                )
            )
        )
    }

    // MARK: Evaluation

    /// Validation is scored at each epoch's end or interval, and after the last step, once each.
    private var isEvaluationDue: Bool {
        let interval = self.hyperparameters.evaluationInterval ?? self.batches.stepsPerEpoch
        let step = self.state.step
        guard step > 0, step % interval == 0 || step == self.schedule.steps else { return false }
        return self.state.evaluations.last?.step != step
    }

    /// - Returns: `false` when it was stopped.
    private func evaluateAndKeepBest() throws -> Bool {
        guard let evaluation = self.evaluate(self.examples.validation, split: "validation") else { return false }
        self.state.evaluations.append(evaluation)
        // An undefined metric is worse than any other.
        let metric = evaluation.metrics[self.task.selection] ?? -.infinity
        if self.hyperparameters.checkpoint == .best,
            self.state.bestStep == nil || metric > self.state.bestMetric ?? -.infinity
        {
            self.state.bestStep = self.state.step
            self.state.bestMetric = metric.isFinite ? metric : nil
            self.best.mutableView.copy(self.model.store.values.view)
        }
        try self.emit(.evaluated(evaluation))
        return true
    }

    private func evaluate(_ examples: [EncodedExample], split: String) -> Evaluation? {
        Evaluator(task: self.task, network: self.model.network, pass: self.pass).evaluate(
            examples,
            split: split,
            step: self.state.step,
            epoch: self.epoch,
            batchSize: self.hyperparameters.batchSize,
            isStopping: self.isStopping
        )
    }

    /// Puts the parameters to be scored in place, scores them on the training sample and on the test split where there
    /// is one, once each, and writes them.
    ///
    /// - Returns: `nil` when it was stopped.
    private func score() throws -> ShardResult? {
        let last = Matrix(rows: 1, columns: self.model.store.values.columns)
        last.mutableView.copy(self.model.store.values.view)
        let scoredStep = self.state.bestStep ?? self.state.step
        if self.state.bestStep != nil { self.model.store.values.mutableView.copy(self.best.view) }
        var evaluations = self.state.evaluations
        var scored = evaluations.last { $0.step == scoredStep && $0.split == "validation" }
        let splits = [("train", self.examples.trainingSample), ("test", self.examples.test)]
        for (split, examples) in splits where !examples.isEmpty {
            guard var evaluation = self.evaluate(examples, split: split) else {
                // A checkpoint to go on from holds the last parameters.
                self.model.store.values.mutableView.copy(last.view)
                return nil
            }
            (evaluation.step, evaluation.epoch) = (scoredStep, Double(scoredStep) / Double(self.batches.stepsPerEpoch))
            evaluations.append(evaluation)
            try self.emit(.evaluated(evaluation))
            if split == "test" { scored = evaluation }
        }
        guard let scored else { preconditionFailure("step \(scoredStep) was not evaluated") }
        let raw = try CheckpointFile.writeParameters(self.model.store, key: self.key, step: scoredStep)
        try self.folder.write(raw, as: AttemptFolder.parametersFile)
        try self.write(raw, kind: .best, step: scoredStep)
        return self.result(scored: scored, evaluations: evaluations, scoredStep: scoredStep, raw: raw)
    }

    private func result(scored: Evaluation, evaluations: [Evaluation], scoredStep: Int, raw: [UInt8]) -> ShardResult {
        let shard = self.order.shard
        let counts = self.model.store.trainableCounts
        return ShardResult(
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
            trainableParametersInitial: counts.method,
            trainableParametersFinal: counts.method,
            headParameters: counts.head,
            parametersDigest: SHA256.hash(raw),
            environment: self.environment
        )
    }

    // MARK: Checkpoints

    private func interrupt() throws -> TrainingOutcome {
        try self.saveCheckpoint()
        return .interrupted
    }

    private func saveCheckpoint() throws {
        let raw = try CheckpointFile.write(
            self.state,
            store: self.model.store,
            optimizer: self.optimizer,
            best: self.best
        )
        try self.write(raw, kind: .last, step: self.state.step)
    }

    private func write(_ raw: [UInt8], kind: TrainerEvent.Checkpointed.Kind, step: Int) throws {
        let stored = try CheckpointContainer.pack(raw)
        let file = AttemptFolder.checkpointFile(kind: kind, step: step)
        try self.folder.write(stored, as: file)
        try self.folder.removeCheckpoints(kind: kind, keeping: 2)
        try self.emit(
            .checkpointed(
                .init(
                    kind: kind,
                    step: step,
                    file: file,
                    bytes: stored.count,
                    digest: SHA256.hash(stored),
                    rawDigest: SHA256.hash(raw)
                )
            )
        )
    }
}
