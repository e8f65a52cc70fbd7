public import Digests
public import Sweeps

/// What one machine does with its leases. Performs no I/O, reads no clock and draws no random number.
///
/// A trainer never waits for the coordinator: it runs on while the connection is gone, and what it leaves is kept on
/// disk and offered again until the coordinator has dealt with it.
public struct Worker: Sendable {
    /// What the shell tells.
    public enum Event: Hashable, Sendable {
        /// The process starts; these outcomes of earlier runs lie on disk.
        case started(spooled: [Spooled])
        /// A connection stands and the coordinator has said welcome.
        case connected
        /// Dialling failed or a connection ended. `jitter` in 0..<1 comes from the shell.
        case disconnected(jitter: Double)
        case granted(Lease)
        case revoked(LeaseToken)
        case handBackRequested([LeaseToken])
        case settled(LeaseToken)
        /// The coordinator will not take a result before it has this blob.
        case blobMissing(LeaseToken, Digest)
        /// The shard's inputs are on this machine.
        case prepared(LeaseToken)
        case preparationFailed(LeaseToken, AttemptFailure)
        /// The trainer has left a checkpoint, which the shell has put aside.
        case checkpointed(LeaseToken, TrainerEvent.Checkpointed)
        case trainerEnded(LeaseToken, TrainerEnd)
        /// The blob is at the coordinator, which has recorded the checkpoint.
        case uploaded(LeaseToken, Digest)
        /// The coordinator or this machine's disk has no use or room for the blob.
        case uploadRefused(LeaseToken, Digest)
        /// The outcome is durable.
        case spooled(LeaseToken)
        /// Hand everything back, then leave. A second time: leave at once. Of a worker that leaves because its time is
        /// nearly up, the first changes nothing.
        case leaveRequested
        /// The coordinator has no more work and will not have any.
        case dismissed
        case timeAdvanced
    }

    /// An outcome that waits on disk to be settled.
    public struct Spooled: Hashable, Sendable {
        public var lease: Lease
        public var outcome: Outcome

        public init(lease: Lease, outcome: Outcome) {
            self.lease = lease
            self.outcome = outcome
        }
    }

    /// How a trainer process ended.
    public enum TrainerEnd: Hashable, Sendable {
        case finished(ShardResult)
        /// After a checkpoint, as it was told to.
        case interrupted
        case failed(AttemptFailure)
    }

    /// Why the worker's process ends.
    public enum Departure: Hashable, Sendable {
        /// It was asked to, and all is handed back.
        case asked
        /// It was asked twice, or handing back took too long.
        case hurried
        /// The coordinator has no more work.
        case dismissed
        /// It had nothing to do for so long, connected or not.
        case idle(seconds: Int)
        /// No coordinator answered for so long.
        case unreachable(seconds: Int)
    }

    /// What the shell must now do, in this order. Directives about an attempt that is gone may be ignored.
    public enum Directive: Hashable, Sendable {
        case dial
        /// Tell the coordinator which leases this worker holds.
        case heartbeat([Lease])
        case announceDraining
        /// Fetch what the shard needs.
        case prepare(Lease)
        case start(Lease)
        /// Ask the trainer to stop after a checkpoint.
        case stop(LeaseToken)
        case kill(LeaseToken)
        /// Send the blob, then the word that it is there.
        case upload(Lease, TrainerEvent.Checkpointed)
        /// Make the outcome durable.
        case spool(Lease, Outcome)
        case report(Lease, Outcome)
        case handBack(Lease)
        /// Remove the attempt's folder.
        case discard(LeaseToken)
        /// Send ``Event/timeAdvanced`` at this instant. Replaces any earlier request.
        case wake(at: Instant)
        case leave(Departure)
    }

    /// Limits and times.
    public struct Limits: Hashable, Sendable {
        public var heartbeatSeconds = 5
        /// The longest wait between two dials; the first is a sixteenth of it.
        public var dialSecondsLimit = 8
        /// How long the very first connection may take.
        public var firstConnectionSeconds = 15
        /// How long a worker stays that has nothing to do; without it, for ever.
        public var idleSeconds: Int?
        /// The least of that while it waits for its coordinator to come back.
        public var idleAwaySeconds = 600
        /// How long a worker without a coordinator keeps what it has.
        public var graceSeconds = 24 * 3600
        /// From the request to stop until the trainer is killed.
        public var stopSeconds = 60
        /// From the request to leave until it is done without handing back.
        public var leaveSeconds = 90

        public init() {}
    }

    enum Link: Hashable, Sendable {
        /// Moved on by the shell's answer to ``Directive/dial``.
        case dialing
        /// Moved on by time.
        case waiting(until: Instant)
        /// Moved on by the connection's end.
        case connected(nextHeartbeat: Instant)
    }

    /// What becomes of a trainer that has been told to end.
    enum Ending: Hashable, Sendable {
        case none
        /// Killed when `deadline` passes.
        case handBack(deadline: Instant)
        /// Killed already; nothing of it is of use.
        case revoked
    }

    enum Phase: Hashable, Sendable {
        /// Moved on by the shell, which fetches inputs.
        case preparing
        /// Moved on by a slot that becomes free.
        case ready
        /// Moved on by the trainer's end.
        case running(Ending)
        /// Moved on by the shell's fsync.
        case spooling(Outcome)
        /// Moved on by the coordinator, after the uploads.
        case spooled(Outcome)
        /// Moved on by the coordinator, after the uploads.
        case handingBack
    }

    struct Attempt: Hashable, Sendable {
        let key: ShardKey
        var phase: Phase
        /// Checkpoints that the coordinator does not have yet, oldest first.
        var uploads: [TrainerEvent.Checkpointed] = []
        /// Whether the first of them is on its way.
        var isUploading = false
        /// Whether the outcome or hand-back was said on this connection.
        var isReported = false
        var best: TrainerEvent.Checkpointed?
    }

    public let slots: Int
    /// When the machine is taken away.
    public let endsAt: Instant?
    public let limits: Limits
    var link = Link.dialing
    var dialFailures = 0
    /// When the connection ended or, before the first, when the process started.
    var disconnectedSince: Instant?
    var wasConnected = false
    /// Since when it has had nothing to do; begins anew when a connection stands or ends.
    var idleSince: Instant?
    var attempts: [LeaseToken: Attempt] = [:]
    /// Set once the worker is to leave; passes at the latest then.
    var leaveDeadline: Instant?
    /// Whether it has begun to leave because its time is nearly up, and nobody has asked for it since.
    var leavesUnasked = false
    var isDismissed = false
    var departure: Departure?

    public init(slots: Int, endsAt: Instant? = nil, limits: Limits = Limits()) {
        precondition(slots > 0, "\(slots) slots")
        self.slots = slots
        self.endsAt = endsAt
        self.limits = limits
    }

    public mutating func handle(_ event: Event, at now: Instant) -> [Directive] {
        guard self.departure == nil else { return [] }
        var directives: [Directive] = []
        switch event {
        case .started(let spooled): directives += self.start(spooled, at: now)
        case .connected: directives += self.connect(at: now)
        case .disconnected(let jitter): self.disconnect(jitter: jitter, at: now)
        case .granted(let lease): directives += self.accept(lease)
        case .revoked(let token): directives += self.revoke(token)
        case .handBackRequested(let tokens): directives += tokens.sorted().flatMap { self.handBack($0, at: now) }
        case .settled(let token): directives += self.settle(token)
        case .blobMissing(let token, let digest): self.requireBlob(token, digest)
        case .prepared(let token): self.move(token, from: .preparing, to: .ready)
        case .preparationFailed(let token, let failure): directives += self.giveUp(token, failure)
        case .checkpointed(let token, let checkpoint): self.note(token, checkpoint)
        case .trainerEnded(let token, let end): directives += self.end(token, end)
        case .uploaded(let token, let digest): self.finishUpload(token, digest)
        case .uploadRefused(let token, let digest): self.abandonUpload(token, digest)
        case .spooled(let token): self.confirmSpool(token)
        case .leaveRequested: directives += self.requestLeaving(at: now)
        case .dismissed: self.isDismissed = true
        case .timeAdvanced: break
        }
        directives += self.passTime(at: now)
        directives += self.startReady()
        directives += self.sendPending()
        self.noteIdleness(at: now)
        directives += self.departIfDone(at: now)
        if self.departure == nil, let wake = self.earliestDeadline { directives.append(.wake(at: wake)) }
        self.checkInvariants()
        return directives
    }

    /// The leases that this worker stands for: what a hello or heartbeat names.
    public var held: [Lease] {
        self.attempts.sorted { $0.key < $1.key }.map { Lease(token: $0.key, key: $0.value.key) }
    }

    /// Whether a connection stands.
    public var isConnected: Bool {
        if case .connected = self.link { true } else { false }
    }
}
