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
            return before.contains(checkpoint.digest) ? [accept] : [.discard(checkpoint.digest), accept]
        }
        // Work was kept: whatever was lost before, this shard moves on.
        if checkpoint.kind == .last { entry.failures.infrastructure = 0 }
        self.shards[lease.key] = entry
        let superseded = before.subtracting(entry.checkpoints.blobs).sorted()
        return [.record(.checkpoints(lease.key, entry.checkpoints)), accept] + superseded.map(Directive.discard)
    }

    /// A result counts while the shard has none, whether its lease lives or not: it is the same result.
    mutating func finish(
        _ worker: WorkerName,
        _ lease: Lease,
        _ result: ShardResult,
        best: TrainerEvent.Checkpointed?
    ) -> [Directive] {
        let settle = Directive.settle(lease, with: worker)
        guard var entry = self.shards[lease.key], entry.state != .done, result.key == lease.key,
            self.mayHaveBeenGranted(lease.token)
        else {
            return (best.map { [.discard($0.digest)] } ?? []) + [settle]
        }
        var directives: [Directive] = []
        switch entry.state {
        case .queued:
            self.dequeue(lease.key)
            self.unfinished -= 1
        case .leased(let token):
            let holder = self.leases[token]?.worker
            self.release(token)
            if token != lease.token, let holder {
                directives.append(.revoke(Lease(token: token, key: lease.key), from: holder))
            }
            self.unfinished -= 1
        case .failed: break
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

    /// A failure counts only from a live attempt: another one has the shard, or its time is still to come.
    mutating func fail(
        _ worker: WorkerName,
        _ lease: Lease,
        _ failure: AttemptFailure,
        at now: Instant
    ) -> [Directive] {
        let settle = Directive.settle(lease, with: worker)
        guard self.live(lease, of: worker) != nil else { return [settle] }
        self.release(lease.token)
        return [.record(.released(lease))] + self.countFailure(failure, of: lease.key, at: now) + [settle]
    }

    /// Counts a failure and decides whether the shard is tried again. Its lease has been released.
    mutating func countFailure(_ failure: AttemptFailure, of key: ShardKey, at now: Instant) -> [Directive] {
        guard var entry = self.shards[key] else { preconditionFailure("\(key) is unknown") }
        entry.failures.last = failure
        let (count, limit): (Int, Int)
        switch failure.cause {
        case .experiment:
            entry.failures.experiment += 1
            (count, limit) = (entry.failures.experiment, self.limits.experimentAttempts)
        case .infrastructure:
            entry.failures.infrastructure += 1
            (count, limit) = (entry.failures.infrastructure, self.limits.infrastructureAttempts)
        }
        let isFinal = count >= limit || failure.cause == .experiment && failure.kind.isDeterministic
        if isFinal {
            entry.state = .failed
            self.unfinished -= 1
        } else {
            let doublings = min(count - 1, 16)
            let wait = min(self.limits.retrySeconds << doublings, self.limits.retrySecondsLimit)
            // The first loss is most likely the machine's end: the shard need not wait for it.
            let due = failure.cause == .infrastructure && count == 1 ? nil : now + wait
            entry.state = .queued(notBefore: due)
            if let due { self.delayed[entry.position] = due } else { self.queue.insert(entry.position) }
        }
        self.shards[key] = entry
        return [.record(.failed(key, entry.failures, isFinal: isFinal))]
    }

    /// A planned stop costs no attempt.
    mutating func takeBack(_ worker: WorkerName, _ lease: Lease) -> [Directive] {
        let settle = Directive.settle(lease, with: worker)
        guard self.live(lease, of: worker) != nil, let entry = self.shards[lease.key] else { return [settle] }
        self.release(lease.token)
        self.shards[lease.key]?.state = .queued(notBefore: nil)
        self.queue.insert(entry.position)
        return [.record(.released(lease)), settle]
    }

    mutating func drain() -> [Directive] {
        guard !self.isDraining else { return [] }
        self.isDraining = true
        return self.members.sorted { $0.key < $1.key }.compactMap { worker, member in
            let held = member.leases.sorted().compactMap { token in
                self.leases[token].map { Lease(token: token, key: $0.key) }
            }
            return held.isEmpty ? nil : .requestHandBack(held, from: worker)
        }
    }

    /// Says once how it ended.
    mutating func announceEnd() -> [Directive] {
        let end: Directive
        if self.unfinished == 0, !self.shards.isEmpty {
            end = .ended
        } else if self.isDraining, self.members.values.allSatisfy(\.leases.isEmpty) {
            end = .drained
        } else {
            return []
        }
        guard self.announced != end else { return [] }
        self.announced = end
        return [end]
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

    /// All live leases, oldest first.
    public var running: [RunningAttempt] {
        self.leases.sorted { $0.key < $1.key }.map { token, lease in
            RunningAttempt(lease: Lease(token: token, key: lease.key), worker: lease.worker, progress: lease.progress)
        }
    }

    /// How many shards there are, and how many are over.
    public var counts: (total: Int, done: Int, failed: Int) {
        let done = self.shards.values.count { $0.state == .done }
        return (self.order.count, done, self.order.count - self.unfinished - done)
    }

    /// The connected workers' names.
    public var workers: [WorkerName] { self.members.keys.sorted() }

    /// What costs no more than the leases and workers that are there.
    func checkQuickInvariants() {
        for (token, lease) in self.leases {
            precondition(
                self.shards[lease.key]?.state == .leased(token),
                "\(token) lives but \(lease.key) is elsewhere"
            )
        }
        for (worker, member) in self.members {
            precondition(member.leases.count <= member.slots, "\(worker) holds more leases than it has slots")
            for token in member.leases {
                precondition(self.leases[token]?.worker == worker, "\(worker) holds \(token), which is not its own")
            }
        }
        precondition(self.unfinished >= 0 && self.unfinished <= self.order.count)
    }

    /// Everything that must hold between two events, in time proportional to the shards.
    package func checkInvariants() {
        self.checkQuickInvariants()
        var unfinished = 0
        var queued: [Int] = []
        for (key, entry) in self.shards {
            precondition(self.order[entry.position] == key, "\(key) is not at its position")
            switch entry.state {
            case .queued(let notBefore):
                unfinished += 1
                precondition(self.delayed[entry.position] == notBefore, "\(key) waits for two times")
                if notBefore == nil { queued.append(entry.position) }
            case .leased(let token):
                unfinished += 1
                precondition(self.leases[token]?.key == key, "\(key) is leased under a dead token")
                precondition(entry.lastToken == token, "\(key) has a lease older than one before")
            case .done:
                precondition(entry.checkpoints.last == nil, "\(key) is done and keeps its last checkpoint")
            case .failed: break
            }
        }
        precondition(queued.sorted() == self.queue.positions.sorted(), "the queue and the shards differ")
        precondition(unfinished == self.unfinished, "\(unfinished) shards are unfinished, not \(self.unfinished)")
    }
}
