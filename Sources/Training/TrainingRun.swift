internal import Adapters
internal import Encoders
internal import Layers
public import Sweeps
internal import Tasks
internal import Tensors

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
    let order: TrainerOrder
    let hyperparameters: Hyperparameters
    let task: TaskDescription
    let examples: EncodedSplits
    var model: Model
    let optimization: Optimization
    var batches: BatchOrder
    /// The best parameters so far, where the shard keeps them.
    let best: Matrix
    private let team: Team
    private let arena = Arena()
    var state: TrainingState
    let folder: AttemptFolder
    var logs: TrainingLogs
    let environment: Environment
    let emit: (TrainerEvent) throws -> Void
    let isStopping: () -> Bool

    var key: ShardKey { self.state.key }
    var schedule: Schedule { self.optimization.schedule }

    /// Reads everything that the run needs.
    ///
    /// - Parameters:
    ///   - folder: of this attempt; checkpoints go here.
    ///   - initial: a folder with parameters to start from instead of new ones: see ``Model/load(initial:method:)``.
    ///   - logs: what it writes beside its events.
    ///   - environment: what the machine is, for the result.
    ///   - emit: is told every event, in order.
    ///   - isStopping: is asked between steps.
    public init(
        _ order: TrainerOrder,
        folder: String,
        initial: String? = nil,
        logs: TrainingLogs = TrainingLogs(),
        environment: Environment,
        emit: @escaping (TrainerEvent) throws -> Void,
        isStopping: @escaping () -> Bool
    ) throws {
        let shard = order.shard
        let hyperparameters = Hyperparameters(shard.settings)
        let task = try TaskDescription.named(shard.task)
        let method = fineTuningMethod(shard.method, settings: shard.settings)
        let model = try Model(
            folder: order.backboneFolder,
            method: method,
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
        if let initial { try model.load(initial: initial, method: method) }
        let attempt = try AttemptFolder(folder)

        self.order = order
        self.hyperparameters = hyperparameters
        self.task = task
        self.model = model
        self.examples = examples
        self.batches = BatchOrder(
            examples: examples.train.count,
            batchSize: hyperparameters.batchSize,
            seed: UInt64(shard.seed),
            isShuffled: hyperparameters.shuffle
        )
        let count = model.store.values.columns
        self.optimization = Optimization(
            hyperparameters,
            method: method,
            parameters: count,
            examples: examples.train.count
        )
        self.best = Matrix(rows: 1, columns: hyperparameters.checkpoint == .best ? count : 0)
        self.team = Team(threads: order.threads)
        self.state = TrainingState(key: shard.key)
        self.folder = attempt
        self.logs = logs
        self.environment = environment
        self.emit = emit
        self.isStopping = isStopping
        do { try model.adaptation.check(steps: self.schedule.steps, perEpoch: self.batches.stepsPerEpoch) } catch {
            throw TrainingFailure(kind: .badInput, "\(error)")
        }
        if let path = order.resume { try self.resume(from: path) }
        self.model.rebuild()
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
                    trainableParameters: self.model.adaptation.initialCounts.exact
                        + self.model.store.trainableCounts.head,
                    kernelClass: self.environment.kernelClass,
                    skippedTensors: self.model.skipped.isEmpty ? nil : self.model.skipped,
                    initialisedTensors: self.model.initialised.isEmpty ? nil : self.model.initialised
                )
            )
        )
        var lastCheckpoint = Clock.seconds
        while true {
            if self.isEvaluationDue, try !self.evaluateAndKeepBest() { return try self.interrupt() }
            if self.isStageOver, try !self.finishStage() { return try self.interrupt() }
            if self.state.step == self.schedule.steps || self.isPatienceOver { break }
            if self.isStopping() || !self.reallocate() { return try self.interrupt() }
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

    var epoch: Double { Double(self.state.step) / Double(self.batches.stepsPerEpoch) }

    var pass: Pass { Pass(team: self.team, arena: self.arena) }

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
        let optimized = try self.optimization.takeStep(
            step,
            model: self.model,
            team: self.team,
            inspect: { try self.logs.write(gradientsOf: $0) }
        )
        let taskLoss = lossSum / Double(examples.count)
        let (loss, norm) = (taskLoss + optimized.penalty, optimized.norm)
        guard loss.isFinite, norm.isFinite else {
            throw TrainingFailure(
                kind: .diverged,
                "the loss is \(loss) and the gradients' norm \(norm) at step \(step + 1); lower learningRate"
            )
        }
        self.state.step += 1
        try self.logs.write(ranksOf: self.model.adaptation, step: self.state.step)
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
                    taskLoss: taskLoss,
                    learningRate: optimized.learningRate,
                    samplesPerSecond: Double(examples.count) / max(seconds, 1e-9)
                )
            )
        )
    }

    /// Lets the method move ranks; the next step follows at once.
    ///
    /// - Returns: `false` when it was stopped.
    private func reallocate() -> Bool {
        let step = UpcomingStep(index: self.state.step, stepsPerEpoch: self.batches.stepsPerEpoch)
        switch self.model.adaptation.reallocate(before: step, scorer: self.validationScorer) {
        case .none: return true
        case .stopped: return false
        case .changed(let changes):
            self.optimization.apply(changes)
            self.model.rebuild()
            return true
        }
    }
}
