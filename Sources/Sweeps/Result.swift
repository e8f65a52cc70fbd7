public import Digests

/// One pass over one split: the loss and every metric of the task, with what it cost.
public struct Evaluation: Hashable, Codable, Sendable {
    /// `train` (a sample of it), `validation` or `test`.
    public var split: String
    public var step: Int
    /// Epochs done when it was made.
    public var epoch: Double
    public var loss: Double
    /// Absent where the metric is undefined (a correlation with a constant).
    public var metrics: [MetricName: Double]
    public var runtimeSeconds: Double
    public var samples: Int
    public var samplesPerSecond: Double
    public var stepsPerSecond: Double
    /// Absent where it was not measured.
    public var memory: Memory?

    /// What the process had resident.
    public struct Memory: Hashable, Codable, Sendable {
        public var beforeBytes: Int
        public var afterBytes: Int
        /// The most since the process began.
        public var peakBytes: Int

        public init(beforeBytes: Int, afterBytes: Int, peakBytes: Int) {
            self.beforeBytes = beforeBytes
            self.afterBytes = afterBytes
            self.peakBytes = peakBytes
        }
    }

    public init(
        split: String,
        step: Int,
        epoch: Double,
        loss: Double,
        metrics: [MetricName: Double],
        runtimeSeconds: Double,
        samples: Int,
        steps: Int,
        memory: Memory? = nil
    ) {
        self.split = split
        self.step = step
        self.epoch = epoch
        self.loss = loss
        self.metrics = metrics
        self.runtimeSeconds = runtimeSeconds
        self.samples = samples
        self.samplesPerSecond = Double(samples) / max(runtimeSeconds, 1e-9)
        self.stepsPerSecond = Double(steps) / max(runtimeSeconds, 1e-9)
        self.memory = memory
    }
}

/// What a result was computed on and with.
public struct Environment: Hashable, Codable, Sendable {
    /// The processor's own name.
    public var processor: String
    /// What decides bits on a machine: BLAS version, its core name, our instruction set.
    public var kernelClass: String
    public var threads: Int
    public var operatingSystem: String
    /// Quintet's version.
    public var version: String
    /// The machine's name.
    public var host: String?
    /// What a cluster manager called the job: see ``ClusterJob``.
    public var job: String?

    public init(
        processor: String,
        kernelClass: String,
        threads: Int,
        operatingSystem: String,
        version: String,
        host: String? = nil,
        job: String? = nil
    ) {
        self.processor = processor
        self.kernelClass = kernelClass
        self.threads = threads
        self.operatingSystem = operatingSystem
        self.version = version
        self.host = host
        self.job = job
    }
}

/// How many ranks a linear layer's update has.
public struct LayerRanks: Hashable, Codable, Sendable {
    public var block: Int
    /// As in a grid's `targets`.
    public var layer: String
    public var initial: Int
    public var final: Int

    public init(block: Int, layer: String, initial: Int, final: Int) {
        self.block = block
        self.layer = layer
        self.initial = initial
        self.final = final
    }
}

/// The end of one stage of a run whose method grows sparser from stage to stage (SoRA's schedule).
public struct StageResult: Hashable, Codable, Sendable {
    public var step: Int
    /// The gates' threshold in this stage.
    public var sparsity: Double
    /// Ranks that are left in all layers.
    public var ranks: Int
    /// The task's metric on validation, and its percentage of the first stage's (SoRA's "generalization").
    public var validation: Double?
    public var generalization: Double?
    /// The same on the sample of the training set ("memorization").
    public var training: Double?
    public var memorization: Double?

    public init(
        step: Int,
        sparsity: Double,
        ranks: Int,
        validation: Double?,
        generalization: Double?,
        training: Double?,
        memorization: Double?
    ) {
        self.step = step
        self.sparsity = sparsity
        self.ranks = ranks
        self.validation = validation
        self.generalization = generalization
        self.training = training
        self.memorization = memorization
    }
}

/// What a finished shard leaves: scores, costs, parameter counts, environment.
public struct ShardResult: Hashable, Codable, Sendable {
    public var key: ShardKey
    public var task: String
    public var method: String
    public var seed: Int
    public var splitProtocol: SplitProtocol
    /// The evaluation that a table takes its score from: test, or validation where the protocol has no test split.
    public var scored: Evaluation
    /// All evaluations, in the order in which they were made.
    public var evaluations: [Evaluation]
    /// The mean training loss of the last epoch's steps.
    public var trainingLoss: Double
    public var steps: Int
    /// Those that the schedule was made for, where `patience` ended the run before; absent in older results.
    public var plannedSteps: Int?
    public var epochs: Double
    /// The step whose parameters were scored.
    public var scoredStep: Int
    /// Seconds of training, over all attempts that led here.
    public var runtimeSeconds: Double
    /// From this attempt's `started` to its `finished`; absent where the trainer does not say.
    public var elapsedSeconds: Double?
    public var samplesPerSecond: Double
    public var stepsPerSecond: Double
    public var peakMemoryBytes: Int
    /// Trainable parameters outside the head, by the method's published rule, at the start and at the end.
    public var trainableParametersInitial: Int
    public var trainableParametersFinal: Int
    /// The same by true count; absent in results from before this was told apart.
    public var trueParametersInitial: Int?
    public var trueParametersFinal: Int?
    /// The ranks of each adapted layer; absent where the method has none.
    public var ranks: [LayerRanks]?
    /// What was measured at the end of each stage, where there are several.
    public var stages: [StageResult]?
    /// The head's parameters where it is trained, else 0.
    public var headParameters: Int
    /// The digest of the scored parameters as raw safetensors: equal for equal training.
    public var parametersDigest: Digest
    public var environment: Environment

    public init(
        key: ShardKey,
        task: String,
        method: String,
        seed: Int,
        splitProtocol: SplitProtocol,
        scored: Evaluation,
        evaluations: [Evaluation],
        trainingLoss: Double,
        steps: Int,
        epochs: Double,
        scoredStep: Int,
        runtimeSeconds: Double,
        samplesPerSecond: Double,
        stepsPerSecond: Double,
        peakMemoryBytes: Int,
        trainableParametersInitial: Int,
        trainableParametersFinal: Int,
        headParameters: Int,
        parametersDigest: Digest,
        environment: Environment
    ) {
        self.key = key
        self.task = task
        self.method = method
        self.seed = seed
        self.splitProtocol = splitProtocol
        self.scored = scored
        self.evaluations = evaluations
        self.trainingLoss = trainingLoss
        self.steps = steps
        self.epochs = epochs
        self.scoredStep = scoredStep
        self.runtimeSeconds = runtimeSeconds
        self.samplesPerSecond = samplesPerSecond
        self.stepsPerSecond = stepsPerSecond
        self.peakMemoryBytes = peakMemoryBytes
        self.trainableParametersInitial = trainableParametersInitial
        self.trainableParametersFinal = trainableParametersFinal
        self.headParameters = headParameters
        self.parametersDigest = parametersDigest
        self.environment = environment
    }

    /// Parameters outside the head at the end of training, by that rule.
    public func parameters(by rule: Hyperparameters.CountingRule) -> Int {
        switch rule {
        case .published: self.trainableParametersFinal
        case .true: self.trueParametersFinal ?? self.trainableParametersFinal
        }
    }

    /// Where two runs of one shard differ that should not: the first such field with both values; `nil` where the
    /// results agree bit for bit. Times, memory and machines may differ.
    public func difference(from other: ShardResult) -> String? {
        func compare(_ name: String, _ mine: some Equatable, _ theirs: some Equatable) -> String? {
            "\(mine)" == "\(theirs)" ? nil : "\(name): \(mine) and \(theirs)"
        }
        func compare(_ mine: Evaluation, _ theirs: Evaluation) -> String? {
            compare("loss at step \(mine.step)", mine.loss, theirs.loss)
                ?? MetricName.allCases.lazy.compactMap { metric in
                    let (left, right) = (mine.metrics[metric] ?? .nan, theirs.metrics[metric] ?? .nan)
                    return compare("\(metric.rawValue) at step \(mine.step)", left, right)
                }.first
        }
        let difference =
            compare("steps", self.steps, other.steps) ?? compare("scored step", self.scoredStep, other.scoredStep)
            ?? compare("evaluations", self.evaluations.count, other.evaluations.count)
            ?? compare("training loss", self.trainingLoss, other.trainingLoss)
            ?? zip(self.evaluations + [self.scored], other.evaluations + [other.scored]).lazy.compactMap {
                compare($0, $1)
            }.first
            ?? compare("parameters", self.parametersDigest, other.parametersDigest)
        let kernels = (self.environment.kernelClass, other.environment.kernelClass)
        guard let difference, kernels.0 != kernels.1 else { return difference }
        return "\(difference); their kernels differ: \(kernels.0) and \(kernels.1)"
    }
}
