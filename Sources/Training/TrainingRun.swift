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
    let order: TrainerOrder
    let hyperparameters: Hyperparameters
    let task: TaskDescription
    let examples: EncodedSplits
    var model: Model
    let schedule: Schedule
    /// Of the method's gates.
    private let gateSchedule: Schedule?
    var batches: BatchOrder
    let optimizer: AdamW
    /// The best parameters so far, where the shard keeps them.
    let best: Matrix
    private let team: Team
    private let arena = Arena()
    var state: TrainingState
    let folder: AttemptFolder
    private var logs: TrainingLogs
    let environment: Environment
    let emit: (TrainerEvent) throws -> Void
    let isStopping: () -> Bool

    var key: ShardKey { self.state.key }

    /// Reads everything that the run needs.
    ///
    /// - Parameters:
    ///   - folder: of this attempt; checkpoints go here.
    ///   - initial: a folder with parameters to start from instead of new ones.
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
        if let initial { try model.store.load(folder: initial) }
        let gates = method.gateHyperparameters(hyperparameters)
        func schedule(_ hyperparameters: Hyperparameters, warmupRounding: FloatingPointRoundingRule) -> Schedule {
            Schedule(
                hyperparameters,
                examples: examples.train.count,
                laterStages: method.laterStages,
                warmupRounding: warmupRounding
            )
        }
        let attempt = try AttemptFolder(folder)

        self.order = order
        self.hyperparameters = hyperparameters
        self.task = task
        self.model = model
        self.examples = examples
        self.schedule = schedule(hyperparameters, warmupRounding: .up)
        self.gateSchedule = gates.map { schedule($0, warmupRounding: .down) }
        self.batches = BatchOrder(
            examples: examples.train.count,
            batchSize: hyperparameters.batchSize,
            seed: UInt64(shard.seed),
            isShuffled: hyperparameters.shuffle
        )
        let count = model.store.values.columns
        self.optimizer = AdamW(count: count, hyperparameters, gates: gates)
        self.best = Matrix(rows: 1, columns: hyperparameters.checkpoint == .best ? count : 0)
        self.team = Team(threads: order.threads)
        self.state = TrainingState(key: shard.key)
        self.folder = attempt
        self.logs = logs
        self.environment = environment
        self.emit = emit
        self.isStopping = isStopping
        try model.adaptation.check(steps: self.schedule.steps)
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
        let adaptation = self.model.adaptation
        let penalty = adaptation.addPenalty(team: self.team)
        try self.logs.write(gradientsOf: self.model)
        let taskLoss = lossSum / Double(examples.count)
        let loss = taskLoss + penalty
        let finished = FinishedStep(
            index: step,
            steps: self.schedule.steps,
            learningRate: self.schedule.learningRate(after: step),
            gateLearningRate: self.gateSchedule?.learningRate(after: step) ?? 0,
            stage: self.schedule.stage(after: step)
        )
        let norm = self.optimizer.update(
            self.model.store,
            step: step + 1,
            learningRate: finished.learningRate,
            gateLearningRate: finished.gateLearningRate,
            keepsGradients: adaptation.readsGradients,
            team: self.team
        )
        guard loss.isFinite, norm.isFinite else {
            throw TrainingFailure(
                kind: .diverged,
                "the loss is \(loss) and the gradients' norm \(norm) at step \(step + 1); lower learningRate"
            )
        }
        adaptation.update(finished, team: self.team)
        if adaptation.readsGradients { self.model.store.gradients.mutableView.fill(0) }
        self.state.step += 1
        try self.logs.write(ranksOf: adaptation, step: self.state.step)
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
                    learningRate: finished.learningRate,
                    samplesPerSecond: Double(examples.count) / max(seconds, 1e-9)
                )
            )
        )
    }

    /// Lets the method move ranks before the next step, once.
    ///
    /// - Returns: `false` when it was stopped.
    private func reallocate() -> Bool {
        guard self.state.reallocatedStep != self.state.step else { return true }
        let step = UpcomingStep(index: self.state.step, stepsPerEpoch: self.batches.stepsPerEpoch)
        switch self.model.adaptation.reallocate(before: step, score: self.validationScore) {
        case .none: return true
        case .stopped: return false
        case .changed(let changes):
            let moments = [self.optimizer.firstMoments.mutableView[0], self.optimizer.secondMoments.mutableView[0]]
            for change in changes {
                for moment in moments {
                    switch change {
                    case .reset(let index): moment[index] = 0
                    case .move(let from, let to): moment[to] = moment[from]
                    }
                }
            }
            self.state.reallocatedStep = self.state.step
            self.model.rebuild()
            return true
        }
    }
}
