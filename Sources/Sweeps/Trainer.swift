// The contract between a worker and a trainer, which is a program: one file in, JSON Lines out.

public import Digests

/// What a trainer is told: `shard.json`. Only ``shard`` decides the result.
public struct TrainerOrder: Hashable, Codable, Sendable {
    public var shard: Shard
    /// The folder of the backbone's files.
    public var backboneFolder: String
    /// The folder of the task's files, or one that holds it.
    public var dataFolder: String
    public var threads: Int
    public var checkpointSeconds: Double
    /// A checkpoint (container file) to go on from; it holds all that the run needs.
    public var resume: String?
    /// A folder where the tokens of examples are kept for other shards, if any.
    public var tokensFolder: String?

    public init(
        shard: Shard,
        backboneFolder: String,
        dataFolder: String,
        threads: Int,
        checkpointSeconds: Double,
        resume: String? = nil,
        tokensFolder: String? = nil
    ) {
        self.shard = shard
        self.backboneFolder = backboneFolder
        self.dataFolder = dataFolder
        self.threads = threads
        self.checkpointSeconds = checkpointSeconds
        self.resume = resume
        self.tokensFolder = tokensFolder
    }
}

/// What a trainer says on standard output, one JSON object a line; `event` names the case.
public enum TrainerEvent: Hashable, Sendable {
    case started(Started)
    case step(Step)
    case evaluated(Evaluation)
    /// A checkpoint is complete on disk.
    case checkpointed(Checkpointed)
    /// The last line of a run that ended well.
    case finished(ShardResult)
    /// The last line of a run that did not.
    case failed(Failed)

    public struct Started: Hashable, Codable, Sendable {
        public var key: ShardKey
        /// Steps done before: 0, or where the checkpoint stands.
        public var step: Int
        public var steps: Int
        public var trainableParameters: Int
        public var kernelClass: String
        /// Tensors of the backbone's file that fine-tuning does not use, where there are any.
        public var skippedTensors: [String]?
        /// Parameters of the head that the backbone's file lacks: they start from the seed.
        public var initialisedTensors: [String]?

        public init(
            key: ShardKey,
            step: Int,
            steps: Int,
            trainableParameters: Int,
            kernelClass: String,
            skippedTensors: [String]? = nil,
            initialisedTensors: [String]? = nil
        ) {
            self.key = key
            self.step = step
            self.steps = steps
            self.trainableParameters = trainableParameters
            self.kernelClass = kernelClass
            self.skippedTensors = skippedTensors
            self.initialisedTensors = initialisedTensors
        }
    }

    public struct Step: Hashable, Codable, Sendable {
        public var step: Int
        public var steps: Int
        /// What was minimised, before the step's update: the task's loss and what the method adds to it.
        public var loss: Double
        /// The task's part, as the mean over the batch.
        public var taskLoss: Double?
        public var learningRate: Double
        public var samplesPerSecond: Double

        public init(
            step: Int,
            steps: Int,
            loss: Double,
            taskLoss: Double? = nil,
            learningRate: Double,
            samplesPerSecond: Double
        ) {
            self.step = step
            self.steps = steps
            self.loss = loss
            self.taskLoss = taskLoss
            self.learningRate = learningRate
            self.samplesPerSecond = samplesPerSecond
        }
    }

    public struct Checkpointed: Hashable, Codable, Sendable {
        public enum Kind: String, Codable, Sendable {
            /// All that is needed to go on.
            case last
            /// The parameters that are scored, without moments.
            case best
        }

        public var kind: Kind
        public var step: Int
        /// The file's name in the attempt's folder.
        public var file: String
        public var bytes: Int
        /// Of the stored bytes: the blob's address.
        public var digest: Digest
        /// Of the raw safetensors inside.
        public var rawDigest: Digest

        public init(kind: Kind, step: Int, file: String, bytes: Int, digest: Digest, rawDigest: Digest) {
            self.kind = kind
            self.step = step
            self.file = file
            self.bytes = bytes
            self.digest = digest
            self.rawDigest = rawDigest
        }
    }

    public struct Failed: Hashable, Codable, Sendable {
        public var kind: FailureKind
        public var message: String

        public init(kind: FailureKind, message: String) {
            self.kind = kind
            self.message = message
        }
    }
}

/// Why a trainer gave up: decides whether another try makes sense.
public enum FailureKind: String, Codable, Sendable, CaseIterable {
    /// The loss is no longer a number.
    case diverged
    /// A file or setting that no retry will mend.
    case badInput
    case outOfMemory
    case diskFull
    /// Anything else, a crash included.
    case other

    /// Whether the same shard would fail in the same way on any machine.
    public var isDeterministic: Bool { self == .diverged || self == .badInput }
}

/// A trainer's exit codes.
public enum TrainerExit {
    public static let finished: Int32 = 0
    public static let failed: Int32 = 1
    /// Stopped by SIGTERM or the end of its parent, after a checkpoint (`EX_TEMPFAIL`).
    public static let interrupted: Int32 = 75
}

extension TrainerEvent: Codable {
    private enum CodingKeys: String, CodingKey { case event }
    private enum Name: String, Codable { case started, step, evaluated, checkpointed, finished, failed }

    public init(from decoder: any Decoder) throws {
        switch try decoder.container(keyedBy: CodingKeys.self).decode(Name.self, forKey: .event) {
        case .started: self = .started(try Started(from: decoder))
        case .step: self = .step(try Step(from: decoder))
        case .evaluated: self = .evaluated(try Evaluation(from: decoder))
        case .checkpointed: self = .checkpointed(try Checkpointed(from: decoder))
        case .finished: self = .finished(try ShardResult(from: decoder))
        case .failed: self = .failed(try Failed(from: decoder))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        let (name, payload): (Name, any Encodable) =
            switch self {
            case .started(let payload): (.started, payload)
            case .step(let payload): (.step, payload)
            case .evaluated(let payload): (.evaluated, payload)
            case .checkpointed(let payload): (.checkpointed, payload)
            case .finished(let payload): (.finished, payload)
            case .failed(let payload): (.failed, payload)
            }
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(name, forKey: .event)
        try payload.encode(to: encoder)
    }
}
