public import Digests
public import Sweeps

/// A worker's name, from its certificate: the same before and after it reconnects or restarts.
public typealias WorkerName = String

/// What fences one attempt off from all others: it only grows.
///
/// The epoch is made durable once, when a coordinator starts; the counter lives in memory. So a grant needs no
/// fsync, and no two coordinators ever give out the same token.
public struct LeaseToken: Hashable, Comparable, Codable, Sendable, CustomStringConvertible, LosslessStringConvertible {
    public var epoch: UInt64
    public var counter: UInt64

    public init(epoch: UInt64, counter: UInt64) {
        self.epoch = epoch
        self.counter = counter
    }

    /// Reads the form of ``description``, `3-17`.
    public init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, let epoch = UInt64(parts[0]), let counter = UInt64(parts[1]) else { return nil }
        self.init(epoch: epoch, counter: counter)
        guard self.description == text else { return nil }
    }

    public var description: String { "\(self.epoch)-\(self.counter)" }

    public static func < (left: LeaseToken, right: LeaseToken) -> Bool {
        (left.epoch, left.counter) < (right.epoch, right.counter)
    }
}

/// The right of one attempt to report on one shard.
public struct Lease: Hashable, Comparable, Codable, Sendable, CustomStringConvertible {
    public var token: LeaseToken
    public var key: ShardKey

    public init(token: LeaseToken, key: ShardKey) {
        self.token = token
        self.key = key
    }

    public var description: String { "\(self.token)/\(self.key.short)" }

    public static func < (left: Lease, right: Lease) -> Bool { (left.token, left.key) < (right.token, right.key) }
}

/// Where a running attempt stands.
public struct AttemptProgress: Hashable, Codable, Sendable {
    /// Steps done before this attempt began.
    public var firstStep: Int
    public var step: Int
    public var steps: Int
    /// Of the last step; absent before the first.
    public var loss: Double?
    public var samplesPerSecond: Double?
    public var trainableParameters: Int
    /// What decides bits on the worker's machine.
    public var kernelClass: String

    public init(
        firstStep: Int,
        step: Int,
        steps: Int,
        loss: Double? = nil,
        samplesPerSecond: Double? = nil,
        trainableParameters: Int,
        kernelClass: String
    ) {
        self.firstStep = firstStep
        self.step = step
        self.steps = steps
        self.loss = loss
        self.samplesPerSecond = samplesPerSecond
        self.trainableParameters = trainableParameters
        self.kernelClass = kernelClass
    }
}

/// How an attempt ended without a result.
public struct AttemptFailure: Hashable, Codable, Sendable {
    /// Whose fault it was: each has attempts of its own, so that a bad network never uses up a shard's tries.
    public enum Cause: String, Codable, Sendable {
        /// The shard's own run went wrong.
        case experiment
        /// The worker, its machine or the way to it.
        case infrastructure
    }

    public var cause: Cause
    public var kind: FailureKind
    /// For people: what happened, with the trainer's last lines where there are any.
    public var message: String

    public init(cause: Cause, kind: FailureKind, message: String) {
        self.cause = cause
        self.kind = kind
        self.message = message
    }
}

/// What a worker has to say at an attempt's end.
public enum Outcome: Hashable, Codable, Sendable {
    /// - Parameter best: the checkpoint that holds the scored parameters, where the trainer left one.
    case finished(ShardResult, best: TrainerEvent.Checkpointed?)
    case failed(AttemptFailure)
}

/// The checkpoints of a shard that are kept.
public struct Checkpoints: Hashable, Codable, Sendable {
    /// What the next attempt goes on from.
    public var last: TrainerEvent.Checkpointed?
    /// The scored parameters.
    public var best: TrainerEvent.Checkpointed?
    /// What decided the bits of `last`, where that is known.
    public var kernelClass: String?

    public init(
        last: TrainerEvent.Checkpointed? = nil,
        best: TrainerEvent.Checkpointed? = nil,
        kernelClass: String? = nil
    ) {
        self.last = last
        self.best = best
        self.kernelClass = kernelClass
    }

    /// Takes in a newer checkpoint; an older one than is there changes nothing.
    ///
    /// - Returns: whether anything changed.
    public mutating func add(_ checkpoint: TrainerEvent.Checkpointed) -> Bool {
        switch checkpoint.kind {
        case .last:
            guard checkpoint.step >= self.last?.step ?? 0, checkpoint != self.last else { return false }
            self.last = checkpoint
        case .best:
            guard checkpoint.step >= self.best?.step ?? 0, checkpoint != self.best else { return false }
            self.best = checkpoint
        }
        return true
    }

    /// The blobs that these checkpoints stand in.
    public var blobs: Set<Digest> {
        Set([self.last, self.best].compactMap { $0?.digest })
    }
}
