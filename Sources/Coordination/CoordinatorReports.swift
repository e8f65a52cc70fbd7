public import Digests
public import Sweeps

// What workers say of their attempts, and what becomes of the shards.
extension Coordinator {
    /// The live lease that this worker speaks of, if it is one and its own.
    private func live(_ lease: Lease, of worker: WorkerName) -> LiveLease? {
        guard let live = self.leases[lease.token], live.worker == worker, live.key == lease.key else { return nil }
        return live
    }

    mutating func note(_ worker: WorkerName, _ lease: Lease, _ progress: AttemptProgress) {
        guard self.live(lease, of: worker) != nil else { return }
        self.leases[lease.token]?.progress = progress
    }

    mutating func keep(_ worker: WorkerName, _ lease: Lease, _ checkpoint: TrainerEvent.Checkpointed) -> [Directive] {
        let accept = Directive.acceptCheckpoint(checkpoint.digest, of: lease, with: worker)
        guard self.live(lease, of: worker) != nil, var entry = self.shards[lease.key] else {
            // The best one of an attempt that is over may belong to a result that is still to come.
            let isOfUse = checkpoint.kind == .best && self.wantsBlobs(of: lease)
            return isOfUse ? [accept] : [.discard(checkpoint.digest), accept]
        }
        let before = entry.checkpoints.blobs
        guard entry.checkpoints.add(checkpoint) else {
            // An older best one may yet be what this attempt's result was scored with: it would be asked for again.
            let isOfUse = checkpoint.kind == .best || before.contains(checkpoint.digest)
            return isOfUse ? [accept] : [.discard(checkpoint.digest), accept]
        }
        // Work was kept: whatever was lost before, this shard moves on.
        if checkpoint.kind == .last {
            entry.failures.infrastructure = 0
            entry.checkpoints.kernelClass = self.members[worker]?.kernelClass(of: entry)
        }
        self.promisedBytes += entry.demand.checkpointBytes - (self.shards[lease.key]?.demand.checkpointBytes ?? 0)
        self.shards[lease.key] = entry
        let superseded = before.subtracting(entry.checkpoints.blobs).sorted()
        return [.record(.checkpoints(lease.key, entry.checkpoints, entry.failures)), accept]
            + superseded.map(Directive.discard)
    }

    /// A result counts while the shard has none, whether its lease lives or not: it is the same result.
    mutating func finish(
        _ worker: WorkerName,
        _ lease: Lease,
        _ result: ShardResult,
        best: TrainerEvent.Checkpointed?,
        at now: Instant
    ) -> [Directive] {
        let settle = Directive.settle(lease, with: worker)
        guard var entry = self.shards[lease.key], result.key == lease.key, self.mayHaveBeenGranted(lease.token) else {
            return (best.map { [.discard($0.digest)] } ?? []) + [settle]
        }
        if entry.state == .done {
            return (best.map { [.discard($0.digest)] } ?? []) + [.compare(lease, by: worker, result), settle]
        }
        self.praise(worker, for: entry, lease, at: now)
        var directives: [Directive] = []
        switch entry.state {
        case .queued:
            self.dequeue(lease.key)
            self.countOver(entry)
        case .leased:
            directives = self.revokeAll(of: lease.key, save: lease.token)
            self.countOver(entry)
        case .failed, .quarantined: break
        case .done: preconditionFailure("\(lease.key) has a result")
        }
        let before = entry.checkpoints.blobs
        entry.checkpoints = Checkpoints(best: best ?? entry.checkpoints.best)
        entry.state = .done
        self.shards[lease.key] = entry
        let superseded = before.subtracting(entry.checkpoints.blobs).sorted()
        return [.record(.finished(lease, by: worker, result, checkpoints: entry.checkpoints)), settle]
            + directives + superseded.map(Directive.discard)
    }

    /// A worker that finishes a shard is trusted again; what the shard took tells of the rest of its cell.
    private mutating func praise(_ worker: WorkerName, for entry: Entry, _ lease: Lease, at now: Instant) {
        let finished = (self.records[worker]?.finished ?? 0) + 1
        self.records[worker] = WorkerRecord(finished: finished)
        guard let cell = entry.cell else { return }
        self.cells[cell]?.done += 1
        if let live = self.leases[lease.token], live.isWhole {
            self.cells[cell]?.note(milliseconds: now.milliseconds - live.grantedAt.milliseconds)
        }
    }

    /// Ends every live lease of a shard and stops whoever runs it, save the one that has spoken.
    mutating func revokeAll(of key: ShardKey, save spoken: LeaseToken? = nil) -> [Directive] {
        guard case .leased(let first, let twin) = self.shards[key]?.state else { return [] }
        return [first, twin].compactMap { $0 }.flatMap { token -> [Directive] in
            let holder = self.leases[token]?.worker
            self.release(token)
            guard token != spoken, let holder else { return [] }
            return [.revoke(Lease(token: token, key: key), from: holder)]
        }
    }

    /// A failure counts only from a live attempt: another one has the shard, or its time is still to come.
    mutating func fail(
        _ worker: WorkerName,
        _ lease: Lease,
        _ failure: AttemptFailure,
        at now: Instant
    ) -> [Directive] {
        let settle = Directive.settle(lease, with: worker)
        guard self.live(lease, of: worker) != nil else { return [settle] }
        let ended = self.endLease(lease.token)
        self.shards[lease.key]?.failures.reported = lease.token
        let blame = self.blame(worker, for: failure, of: lease.key, at: now)
        var counted = failure
        // Of a worker that is at fault the shard is not.
        if blame.contains(where: { if case .suspended = $0 { true } else { false } }) {
            counted.cause = .infrastructure
        }
        return ended + blame
            + self.countFailure(counted, of: lease.key, on: worker, at: now) + [settle]
    }

    /// A planned stop costs no attempt.
    mutating func takeBack(_ worker: WorkerName, _ lease: Lease) -> [Directive] {
        let settle = Directive.settle(lease, with: worker)
        guard self.live(lease, of: worker) != nil else { return [settle] }
        return self.takeBack(lease.token) + [settle]
    }

    /// Ends a live lease through nobody's fault: a shard that has no other is queued again at once.
    mutating func takeBack(_ token: LeaseToken) -> [Directive] {
        guard let lease = self.leases[token] else { preconditionFailure("\(token) is not live") }
        let ended = self.endLease(token)
        if case .queued = self.shards[lease.key]?.state { self.enqueue(lease.key, notBefore: nil) }
        return ended
    }

    mutating func drain() -> [Directive] {
        guard !self.isDraining else { return [] }
        self.isDraining = true
        return self.requestHandBack(self.leases.keys.sorted())
    }

    /// Asks connected workers to stop these after a checkpoint.
    func requestHandBack(_ tokens: [LeaseToken]) -> [Directive] {
        var held: [WorkerName: [Lease]] = [:]
        for token in tokens {
            guard let lease = self.leases[token], self.members[lease.worker] != nil else { continue }
            held[lease.worker, default: []].append(Lease(token: token, key: lease.key))
        }
        return held.sorted { $0.key < $1.key }.map { .requestHandBack($0.value, from: $0.key) }
    }
}

extension Coordinator {
    /// A running attempt, for people.
    public struct RunningAttempt: Hashable, Sendable {
        public var lease: Lease
        public var worker: WorkerName
        public var progress: AttemptProgress?
    }

    /// Where a shard stands; `nil` for an unknown one.
    public func state(of key: ShardKey) -> ShardState? { self.shards[key]?.state }

    /// How often a shard went wrong; `nil` for an unknown one.
    public func failures(of key: ShardKey) -> Failures? { self.shards[key]?.failures }

    /// What is kept of a shard's attempts; `nil` for an unknown one.
    public func checkpoints(of key: ShardKey) -> Checkpoints? { self.shards[key]?.checkpoints }

    /// What a shard asks of a worker; `nil` for an unknown one.
    public func needs(of key: ShardKey) -> Needs? { self.shards[key]?.needs }

    /// All live leases, oldest first.
    public var running: [RunningAttempt] {
        self.leases.sorted { $0.key < $1.key }.map { token, lease in
            RunningAttempt(lease: Lease(token: token, key: lease.key), worker: lease.worker, progress: lease.progress)
        }
    }

    /// How many shards there are, and how many are over: of one sweep, or of all.
    public func counts(of sweep: String? = nil) -> Counts {
        let place = self.sweeps.firstIndex { $0.terms.name == sweep }
        return self.shards.values.reduce(into: Counts()) { counts, entry in
            guard sweep == nil ? !entry.sweeps.isEmpty : place.map(entry.sweeps.contains) == true else { return }
            counts.total += 1
            switch entry.state {
            case .queued, .leased: break
            case .done: counts.done += 1
            case .failed: counts.failed += 1
            case .quarantined: counts.quarantined += 1
            }
        }
    }

    public struct Counts: Hashable, Sendable {
        public var total = 0
        public var done = 0
        public var failed = 0
        public var quarantined = 0
    }

    /// The terms of every sweep, in the order in which they came.
    public var terms: [SweepTerms] { self.sweeps.map(\.terms) }

    /// The connected workers' names.
    public var workers: [WorkerName] { self.members.keys.sorted() }

    /// What costs no more than the leases and workers that are there.
    func checkQuickInvariants() {
        for (token, lease) in self.leases {
            guard case .leased(let first, let twin) = self.shards[lease.key]?.state, token == first || token == twin
            else { preconditionFailure("\(token) lives but \(lease.key) is elsewhere") }
        }
        for (worker, member) in self.members {
            precondition(member.leases.count <= member.capacity.slots, "\(worker) holds more leases than it has slots")
            for token in member.leases {
                precondition(self.leases[token]?.worker == worker, "\(worker) holds \(token), which is not its own")
            }
        }
    }

    /// Everything that must hold between two events, in time proportional to the shards.
    package func checkInvariants() {
        self.checkQuickInvariants()
        var (unfinished, promised) = ([Int](repeating: 0, count: self.sweeps.count), 0)
        var queued = self.sweeps.map { _ in [Int]() }
        for (key, entry) in self.shards {
            precondition(self.order[entry.position] == key, "\(key) is not at its position")
            if !entry.state.isOver { for sweep in entry.sweeps { unfinished[sweep] += 1 } }
            switch entry.state {
            case .queued(let notBefore):
                precondition(self.delayed[entry.position] == notBefore, "\(key) waits for two times")
                if notBefore == nil { for sweep in entry.sweeps { queued[sweep].append(entry.position) } }
            case .leased(let first, let twin):
                for token in [first, twin].compactMap({ $0 }) {
                    precondition(self.leases[token]?.key == key, "\(key) is leased under a dead token")
                }
                promised += entry.demand.checkpointBytes
                precondition(entry.lastToken == first, "\(key) has a lease older than one before")
                precondition(twin.map { $0 > first } ?? true, "\(key) has a twin older than its first")
            case .done:
                precondition(entry.checkpoints.last == nil, "\(key) is done and keeps its last checkpoint")
            case .failed, .quarantined: break
            }
            precondition(entry.failures.experiment.count <= self.limits.experimentAttempts, "\(key) fails for ever")
        }
        for (index, sweep) in self.sweeps.enumerated() {
            let waiting = sweep.waiting.values.flatMap(\.positions)
            precondition(queued[index].sorted() == waiting.sorted(), "the queue and the shards differ")
            precondition(unfinished[index] == sweep.unfinished, "\(unfinished[index]) shards are unfinished")
            precondition(sweep.running == self.leases.values.count { $0.sweep == index }, "\(sweep.running) run")
        }
        precondition(promised == self.promisedBytes, "\(promised) bytes are promised, not \(self.promisedBytes)")
        for member in self.members.values {
            let needed = member.leases.reduce(0) { sum, token in
                sum + (self.leases[token].flatMap { self.shards[$0.key]?.needs.memoryBytes } ?? 0)
            }
            precondition(needed == member.memoryBytes, "\(needed) bytes are leased, not \(member.memoryBytes)")
        }
    }
}
