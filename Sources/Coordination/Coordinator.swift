public import Digests
public import Sweeps

/// Decides which worker runs which shard. Performs no I/O, reads no clock and draws no random number: the same events
/// at the same instants give the same directives.
///
///     queued ──grant──▶ leased ──result──▶ done
///      ▲  ▲               │  │
///      │  └─── expiry ────┘  └──failure──▶ failed ──retry──▶ queued
///      └── hand back, failure with attempts left
public struct Coordinator: Sendable {
    /// What the shell tells.
    public enum Event: Hashable, Sendable {
        /// Shards from the store or of a new sweep; those already known are left as they are.
        case submitted([KnownShard])
        /// A worker said hello: after this the leases it does not hold are nobody's.
        case workerJoined(WorkerName, slots: Int, holding: [Lease])
        /// Its connection ended. Its leases run to their deadlines.
        case workerLost(WorkerName)
        /// Renews the leases it names. One that it leaves out runs to its deadline.
        case heartbeat(WorkerName, holding: [Lease])
        /// The worker takes nothing new and hands back what it has.
        case workerDraining(WorkerName)
        case progressed(WorkerName, Lease, AttemptProgress)
        /// The blob of this checkpoint is stored and verified.
        case checkpointed(WorkerName, Lease, TrainerEvent.Checkpointed)
        /// A result's best checkpoint, where it has one, is stored and verified.
        case reported(WorkerName, Lease, Outcome)
        case handedBack(WorkerName, Lease)
        /// No more grants; what runs is handed back.
        case drainRequested
        case timeAdvanced
    }

    /// What the shell must now do, in this order.
    public enum Directive: Hashable, Sendable {
        /// Make this durable before carrying out any later directive.
        case record(JournalEntry)
        case grant(Lease, to: WorkerName, from: Checkpoints)
        /// This attempt is over; whatever it says later is ignored, save a result where there is none.
        case revoke(Lease, from: WorkerName)
        case requestHandBack([Lease], from: WorkerName)
        /// The outcome or hand-back of this lease is dealt with; the worker may forget it.
        case settle(Lease, with: WorkerName)
        case acceptCheckpoint(Digest, of: Lease, with: WorkerName)
        /// Remove this blob unless something else refers to it.
        case discard(Digest)
        /// Nothing was heard of it for a lease's time.
        case disconnect(WorkerName)
        /// Every shard is done or failed.
        case ended
        /// After ``Event/drainRequested``: no connected worker holds a lease.
        case drained
        /// Send ``Event/timeAdvanced`` at this instant. Replaces any earlier request.
        case wake(at: Instant)
    }

    /// What must survive a crash, or at least may.
    public enum JournalEntry: Hashable, Sendable {
        /// Need not be durable at once: a grant that a crash forgets is adopted from the worker that holds it.
        case granted(Lease, to: WorkerName)
        /// Need not be durable at once either.
        case released(Lease)
        case checkpoints(ShardKey, Checkpoints)
        /// Failures so far, and whether the shard is given up.
        case failed(ShardKey, Failures, isFinal: Bool)
        /// - Parameter checkpoints: what is left of them: the best.
        case finished(Lease, by: WorkerName, ShardResult, checkpoints: Checkpoints)
        /// A person gives a failed shard all its attempts again; written before a coordinator starts, never by one.
        case retried(ShardKey)

        /// Whether later directives must wait until this is durable.
        public var isUrgent: Bool {
            switch self {
            case .granted, .released: false
            case .checkpoints, .failed, .finished, .retried: true
            }
        }
    }

    /// How often a shard went wrong, and how the last time.
    public struct Failures: Hashable, Codable, Sendable {
        public var experiment = 0
        /// In a row: progress that was kept sets it back to 0.
        public var infrastructure = 0
        public var last: AttemptFailure?

        public init() {}
    }

    /// A shard as the store knows it.
    public struct KnownShard: Hashable, Sendable {
        public enum State: Hashable, Sendable {
            case open
            /// Granted by an earlier coordinator; its worker may come back.
            case leased(LeaseToken, to: WorkerName)
            case done
            case failed
        }

        public var key: ShardKey
        public var state: State
        public var checkpoints: Checkpoints
        public var failures: Failures

        public init(
            key: ShardKey,
            state: State = .open,
            checkpoints: Checkpoints = Checkpoints(),
            failures: Failures = Failures()
        ) {
            self.key = key
            self.state = state
            self.checkpoints = checkpoints
            self.failures = failures
        }
    }

    /// Limits and times.
    public struct Limits: Hashable, Sendable {
        /// How long a lease lives without being renewed.
        public var leaseSeconds = 30
        /// Tries that a shard's own failures use up.
        public var experimentAttempts = 3
        /// Losses in a row, without a new checkpoint, that a shard survives.
        public var infrastructureAttempts = 20
        /// The wait before the second try; doubled for each further one.
        public var retrySeconds = 1
        public var retrySecondsLimit = 60

        public init() {}
    }

    /// Where a shard stands.
    public enum ShardState: Hashable, Sendable {
        /// Moved on by a worker with a free slot, not before `notBefore`.
        case queued(notBefore: Instant?)
        /// Moved on by its worker's report or hand-back, else by the lease's deadline.
        case leased(LeaseToken)
        /// The end: a result is there.
        case done
        /// Moved on by a person, who retries it with the next coordinator, or by a result that comes after all.
        case failed
    }

    struct Entry: Sendable {
        let position: Int
        var state: ShardState
        var checkpoints: Checkpoints
        var failures: Failures
        /// The highest token that was granted or adopted: lower ones never come alive again.
        var lastToken: LeaseToken?
    }

    struct LiveLease: Sendable {
        let key: ShardKey
        let worker: WorkerName
        var deadline: Instant
        var progress: AttemptProgress?
    }

    /// A connected worker.
    struct Member: Sendable {
        let slots: Int
        var isDraining = false
        /// Moved on by anything it says; when it passes, the worker is disconnected.
        var deadline: Instant
        var leases: Set<LeaseToken> = []
    }

    public let limits: Limits
    public let epoch: UInt64
    var counter: UInt64 = 0
    var shards: [ShardKey: Entry] = [:]
    /// Shards in the order in which they were submitted.
    var order: [ShardKey] = []
    var queue = PositionQueue()
    /// Queued shards that wait for their time.
    var delayed: [Int: Instant] = [:]
    var leases: [LeaseToken: LiveLease] = [:]
    var members: [WorkerName: Member] = [:]
    var unfinished = 0
    var isDraining = false
    var announced: Directive?

    /// - Parameter epoch: higher than that of any coordinator before on the same store.
    public init(epoch: UInt64, limits: Limits = Limits()) {
        self.epoch = epoch
        self.limits = limits
    }

    public mutating func handle(_ event: Event, at now: Instant) -> [Directive] {
        self.hear(event, at: now)
        var directives: [Directive] = []
        switch event {
        case .submitted(let shards): directives += self.submit(shards, at: now)
        case .workerJoined(let worker, let slots, let holding):
            directives += self.join(worker, slots: slots, holding: holding, at: now)
        case .workerLost(let worker): self.members[worker] = nil
        case .heartbeat(let worker, let holding): directives += self.renew(worker, holding: holding, at: now)
        case .workerDraining(let worker): self.members[worker]?.isDraining = true
        case .progressed(let worker, let lease, let progress): self.note(worker, lease, progress)
        case .checkpointed(let worker, let lease, let checkpoint): directives += self.keep(worker, lease, checkpoint)
        case .reported(let worker, let lease, .finished(let result, let best)):
            directives += self.finish(worker, lease, result, best: best)
        case .reported(let worker, let lease, .failed(let failure)):
            directives += self.fail(worker, lease, failure, at: now)
        case .handedBack(let worker, let lease): directives += self.takeBack(worker, lease)
        case .drainRequested: directives += self.drain()
        case .timeAdvanced: break
        }
        directives += self.expire(at: now)
        directives += self.grantQueued(at: now)
        directives += self.announceEnd()
        if let wake = self.earliestDeadline { directives.append(.wake(at: wake)) }
        self.checkQuickInvariants()
        return directives
    }

    /// Whether a blob for this lease is worth storing: any attempt's may be, while its shard has no result.
    public func wantsBlobs(of lease: Lease) -> Bool {
        guard let entry = self.shards[lease.key] else { return false }
        return entry.state != .done
    }
}
