/// A sweep at work, at one moment.
public struct ProgressSnapshot: Hashable, Sendable {
    /// A shard that a worker is training.
    public struct Running: Hashable, Sendable {
        public var name: String
        public var worker: String
        /// Steps done, of all attempts that led here.
        public var step: Int
        /// All steps of the shard; `nil` until the trainer has said.
        public var steps: Int?
        public var batchSize: Int
        /// The last step's.
        public var loss: Double?
        public var samplesPerSecond: Double?

        public init(
            name: String,
            worker: String,
            step: Int = 0,
            steps: Int? = nil,
            batchSize: Int,
            loss: Double? = nil,
            samplesPerSecond: Double? = nil
        ) {
            self.name = name
            self.worker = worker
            self.step = step
            self.steps = steps
            self.batchSize = batchSize
            self.loss = loss
            self.samplesPerSecond = samplesPerSecond
        }

        /// The share of the shard that is done, from 0 to 1.
        var fraction: Double {
            guard let steps, steps > 0 else { return 0 }
            return min(1, max(0, Double(self.step) / Double(steps)))
        }

        /// Seconds of training that are left at the present rate.
        var remainingSeconds: Double? {
            guard let steps, let samplesPerSecond, samplesPerSecond > 0 else { return nil }
            return Double(max(0, steps - self.step) * self.batchSize) / samplesPerSecond
        }
    }

    public var sweep: String
    /// Shards of the sweep.
    public var total: Int
    public var done: Int
    public var failed: Int
    /// Work that was done before the clock started, in shards: results and checkpoints of earlier sessions.
    public var doneBefore: Double
    public var elapsedSeconds: Double
    /// In the order in which they are shown.
    public var running: [Running]

    public init(
        sweep: String,
        total: Int,
        done: Int,
        failed: Int,
        doneBefore: Double,
        elapsedSeconds: Double,
        running: [Running]
    ) {
        self.sweep = sweep
        self.total = total
        self.done = done
        self.failed = failed
        self.doneBefore = doneBefore
        self.elapsedSeconds = elapsedSeconds
        self.running = running
    }

    /// Shards that are over, with the parts of those at work.
    var workDone: Double { Double(self.done + self.failed) + self.running.reduce(0) { $0 + $1.fraction } }

    /// Seconds until the last shard ends, if the rest takes as long as what this session has done; `nil` until enough
    /// is done to tell.
    var remainingSeconds: Double? {
        let worked = self.workDone - self.doneBefore
        guard worked >= 0.1, self.elapsedSeconds >= 2 else { return nil }
        return self.elapsedSeconds * max(0, Double(self.total) - self.workDone) / worked
    }
}

/// Something that happened to a shard, told once.
public enum ProgressEvent: Hashable, Sendable {
    /// - Parameter step: where its checkpoint stands; 0 for a shard that starts anew.
    case started(name: String, worker: String, step: Int)
    /// - Parameter score: the task's primary metric; `nil` where it is undefined.
    case finished(name: String, worker: String, metric: String, score: Double?, seconds: Double)
    /// - Parameters:
    ///   - worker: empty where it is not known.
    ///   - isFinal: whether it is given up; else it is tried again.
    case failed(name: String, worker: String, message: String, isFinal: Bool)
}
