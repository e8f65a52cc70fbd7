public import Digests
public import Sweeps

/// Decides which worker runs which shard. Performs no I/O, reads no clock and draws no random number: the same events
/// at the same instants give the same directives.
///
///     queued ──grant──▶ leased ──result──▶ done
///      ▲  ▲               │  │
///      │  └─── expiry ────┘  └──failure──▶ failed, quarantined ──retry──▶ queued
///      └── hand back, failure with attempts left
///
/// Several sweeps share one coordinator; a shard that two of them have runs once, for both.
public struct Coordinator: Sendable {
    /// What the shell tells.
    public enum Event: Hashable, Sendable {
        /// A sweep from the store, or a new one, or one with another grid; of its shards those already known are left as
        /// they are, but for what they need, and those that are no longer its own are stopped where no other sweep wants them.
        case submitted(SweepTerms, [KnownShard])
        /// A person pauses, cancels or weighs a sweep anew.
        case sweepChanged(SweepTerms)
        /// Shards that were given up get all their tries again.
        case retryRequested([ShardKey])
        /// A worker said hello: after this the leases it does not hold are nobody's.
        case workerJoined(WorkerName, Capacity, holding: [Lease])
        /// Its connection ended. Its leases run to their deadlines.
        case workerLost(WorkerName)
        /// They are shut out for good: nothing of them counts any more, and what they held is nobody's.
        case workersBanned([WorkerName])
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
        /// What checkpoints may still take, as the shell has just found it.
        case roomMeasured(Room)
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
        /// This shard had a result already: the second one must be the same, bit for bit.
        case compare(Lease, by: WorkerName, ShardResult)
        /// The worker failed shard after shard and gets none until then.
        case suspended(WorkerName, seconds: Int, reason: String)
        /// Every worker that is there is suspended, or none of them could ever take what waits: one for this reason.
        case stalled(reason: String)
        /// Shards wait that workers could take, because their checkpoints would not fit.
        ///
        /// - Parameter isStalled: whether nothing runs any more, either.
        case outOfRoom(reason: String, isStalled: Bool)
        /// Every shard of this sweep is done or given up.
        case sweepEnded(String)
        /// Every shard of every sweep that is not cancelled is done or given up.
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
        /// What is kept, and the failures that still count after this progress.
        case checkpoints(ShardKey, Checkpoints, Failures)
        /// Failures so far, and what they come to.
        case failed(ShardKey, Failures, Verdict)
        /// - Parameter checkpoints: what is left of them: the best.
        case finished(Lease, by: WorkerName, ShardResult, checkpoints: Checkpoints)
        /// A shard that was given up has all its attempts again.
        case retried(ShardKey)
        case sweep(SweepTerms)

        /// Whether later directives must wait until this is durable.
        public var isUrgent: Bool {
            switch self {
            case .granted, .released: false
            case .checkpoints, .failed, .finished, .retried, .sweep: true
            }
        }
    }

    /// A shard as the store knows it.
    public struct KnownShard: Hashable, Sendable {
        public enum State: Hashable, Sendable {
            case open
            /// Granted by an earlier coordinator; its worker may come back.
            case leased(LeaseToken, to: WorkerName)
            case done
            case failed
            case quarantined
        }

        public var key: ShardKey
        public var state: State
        public var checkpoints: Checkpoints
        public var failures: Failures
        public var needs: Needs
        /// What tells its cell from others: shards of one cell take alike long. Without it a shard has no twin.
        public var cell: Digest?

        public init(
            key: ShardKey,
            state: State = .open,
            checkpoints: Checkpoints = Checkpoints(),
            failures: Failures = Failures(),
            needs: Needs = Needs(),
            cell: Digest? = nil
        ) {
            self.key = key
            self.state = state
            self.checkpoints = checkpoints
            self.failures = failures
            self.needs = needs
            self.cell = cell
        }
    }

    /// Limits and times.
    public struct Limits: Hashable, Sendable {
        /// How long a lease lives without being renewed.
        public var leaseSeconds = 30
        /// A worker that has said nothing for so long, though it should every few seconds, gets no lease.
        public var quietSeconds = 15
        /// Tries that a shard's own failures use up, where one worker alone can take it.
        public var experimentAttempts = 3
        /// Losses in a row, without a new checkpoint, that a shard survives.
        public var infrastructureAttempts = 20
        /// The wait before the second try; doubled for each further one.
        public var retrySeconds = 1
        public var retrySecondsLimit = 60
        /// Different shards in a row that a worker may fail before it is suspended.
        public var suspensionFailures = 3
        /// How long; doubled each time, until it has finished a shard.
        public var suspensionSeconds = 60
        public var suspensionSecondsLimit = 3600
        /// A worker with less time left than this gets no lease: it could not reach a checkpoint.
        public var shortestLeaseSeconds = 60
        /// A shard is late when it takes so many times the median of its cell.
        public var twinSlowness = 1.5
        /// How many shards of a cell must be done, of all in it, before one of the rest is late.
        public var twinDoneShare = 0.6
        /// No shard is late before this.
        public var twinSeconds = 60
        /// How long until room is looked for again where it is short.
        public var roomSeconds = 1

        public init() {}
    }

    /// Where a shard stands.
    public enum ShardState: Hashable, Sendable {
        /// Moved on by a worker with a free slot, not before `notBefore`.
        case queued(notBefore: Instant?)
        /// Moved on by its worker's report or hand-back, else by the lease's deadline. A late shard may have a twin.
        case leased(LeaseToken, twin: LeaseToken? = nil)
        /// The end: a result is there.
        case done
        /// It would fail in the same way anywhere. Moved on by a person who retries it, or by a result that comes
        /// after all.
        case failed
        /// It failed on two workers alike, or too often. Moved on as ``failed``.
        case quarantined

        /// Whether nothing more happens of itself.
        public var isOver: Bool {
            switch self {
            case .queued, .leased: false
            case .done, .failed, .quarantined: true
            }
        }
    }

    struct Entry: Sendable {
        let position: Int
        var state: ShardState
        var checkpoints: Checkpoints
        var failures: Failures
        var needs: Needs
        let cell: Digest?
        /// The sweeps that have it, by their places; none where a sweep has another grid by now.
        var sweeps: [Int]
        /// The highest token that was granted or adopted: lower ones never come alive again.
        var lastToken: LeaseToken?
    }

    struct LiveLease: Sendable {
        let key: ShardKey
        let worker: WorkerName
        /// Whose share it uses.
        let sweep: Int
        let grantedAt: Instant
        /// Whether it began at the first step, as far as is known: only then does its time say how long a shard takes.
        let isWhole: Bool
        var deadline: Instant
        var progress: AttemptProgress?
    }

    public let limits: Limits
    public let epoch: UInt64
    var counter: UInt64 = 0
    var shards: [ShardKey: Entry] = [:]
    /// Shards in the order in which they were submitted.
    var order: [ShardKey] = []
    var sweeps: [Sweep] = []
    /// Queued shards that wait for their time.
    var delayed: [Int: Instant] = [:]
    var leases: [LeaseToken: LiveLease] = [:]
    var members: [WorkerName: Member] = [:]
    /// What is remembered of workers, connected or not.
    var records: [WorkerName: WorkerRecord] = [:]
    var cells: [Digest: Cell] = [:]
    var isDraining = false
    var isStallTold = false
    /// Without bound until it is measured.
    var room: Room?
    /// What the checkpoints of shards that run may yet take; a twin's are the first one's.
    var promisedBytes = 0
    var shortage: Shortage?
    /// What was said of it last.
    var toldShortage: Shortage?
    var isEndTold = false
    var isDrainTold = false
    /// Where back-off takes its jitter from.
    var jitter: SplitMix64

    /// - Parameters:
    ///   - epoch: higher than that of any coordinator before on the same store.
    ///   - seed: of the jitter in waits; without one they are the same every time.
    public init(epoch: UInt64, limits: Limits = Limits(), seed: UInt64 = 0) {
        self.epoch = epoch
        self.limits = limits
        self.jitter = SplitMix64(seed: seed)
    }

    public mutating func handle(_ event: Event, at now: Instant) -> [Directive] {
        self.hear(event, at: now)
        var directives: [Directive] = []
        switch event {
        case .submitted(let terms, let shards): directives += self.submit(terms, shards, at: now)
        case .sweepChanged(let terms): directives += self.change(terms)
        case .retryRequested(let keys): directives += keys.flatMap { self.retry($0) }
        case .workerJoined(let worker, let capacity, let holding):
            directives += self.join(worker, capacity, holding: holding, at: now)
        case .workerLost(let worker): self.members[worker] = nil
        case .workersBanned(let workers): directives += self.shutOut(workers, at: now)
        case .heartbeat(let worker, let holding): directives += self.renew(worker, holding: holding, at: now)
        case .workerDraining(let worker): self.members[worker]?.isDraining = true
        case .progressed(let worker, let lease, let progress): self.note(worker, lease, progress)
        case .checkpointed(let worker, let lease, let checkpoint): directives += self.keep(worker, lease, checkpoint)
        case .reported(let worker, let lease, .finished(let result, let best)):
            directives += self.finish(worker, lease, result, best: best, at: now)
        case .reported(let worker, let lease, .failed(let failure)):
            directives += self.fail(worker, lease, failure, at: now)
        case .handedBack(let worker, let lease): directives += self.takeBack(worker, lease)
        case .drainRequested: directives += self.drain()
        case .roomMeasured(let room): self.room = room
        // To look at every lease with every event would cost more than all else.
        case .timeAdvanced: self.checkQuickInvariants()
        }
        directives += self.expire(at: now)
        directives += self.grantQueued(at: now)
        directives += self.grantTwins(at: now)
        directives += self.announceStall(at: now)
        if case .roomMeasured = event { directives += self.announceShortage() }
        directives += self.announceEnd()
        if let wake = self.earliestDeadline(after: now) { directives.append(.wake(at: wake)) }
        return directives
    }

    /// Whether a blob for this lease is worth storing: any attempt's may be, while its shard has no result.
    public func wantsBlobs(of lease: Lease) -> Bool {
        guard let entry = self.shards[lease.key] else { return false }
        return entry.state != .done
    }
}
