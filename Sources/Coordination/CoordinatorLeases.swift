internal import Digests
internal import Sweeps

// Workers and their leases: who is there, what they hold, and when it ends.
extension Coordinator {
    /// Whatever a worker says shows that it is there.
    mutating func hear(_ event: Event, at now: Instant) {
        guard let worker = event.worker else { return }
        self.members[worker]?.deadline = now + self.limits.leaseSeconds
    }

    mutating func join(
        _ worker: WorkerName,
        _ capacity: Capacity,
        holding: [Lease],
        at now: Instant
    ) -> [Directive] {
        precondition(capacity.slots > 0, "\(worker) offers \(capacity.slots) slots")
        let owned = self.leases.filter { $0.value.worker == worker }
        self.members[worker] = Member(
            capacity: capacity,
            deadline: now + self.limits.leaseSeconds,
            endsAt: capacity.secondsLeft.map { now + $0 },
            leases: Set(owned.keys),
            memoryBytes: owned.values.reduce(0) { $0 + (self.shards[$1.key]?.needs.memoryBytes ?? 0) }
        )
        var directives: [Directive] = []
        // A worker that has restarted has lost what it does not name; waiting for the deadline would help nobody.
        let held = Set(holding.map(\.token))
        for token in owned.keys.sorted() where !held.contains(token) {
            directives += self.lose(token, "its worker \(worker) came back without it", at: now)
        }
        for token in owned.keys.sorted().filter(held.contains).dropFirst(capacity.slots) {
            directives += self.lose(token, "its worker \(worker) came back with fewer slots", at: now)
        }
        directives += self.renew(worker, holding: holding, at: now)
        return directives
    }

    mutating func renew(_ worker: WorkerName, holding: [Lease], at now: Instant) -> [Directive] {
        guard self.members[worker] != nil else { return [] }
        var directives: [Directive] = []
        for lease in holding.sorted() {
            if let live = self.leases[lease.token], live.worker == worker, live.key == lease.key {
                self.leases[lease.token]?.deadline = now + self.limits.leaseSeconds
            } else if self.adopt(lease, of: worker, at: now) {
                directives.append(.record(.granted(lease, to: worker)))
                if self.isDraining { directives.append(.requestHandBack([lease], from: worker)) }
            } else {
                directives.append(.revoke(lease, from: worker))
            }
        }
        return directives
    }

    /// Makes a lease live again that an earlier coordinator granted, or that expired while nobody else got the shard.
    private mutating func adopt(_ lease: Lease, of worker: WorkerName, at now: Instant) -> Bool {
        guard self.mayHaveBeenGranted(lease.token), self.leases[lease.token] == nil,
            let member = self.members[worker], member.leases.count < member.capacity.slots,
            let entry = self.shards[lease.key], case .queued = entry.state, !entry.sweeps.isEmpty,
            lease.token >= entry.lastToken ?? lease.token,
            // Its report was counted; were it live again, the same report would be once more.
            lease.token != entry.failures.reported
        else { return false }
        self.dequeue(lease.key)
        let sweep = entry.sweeps.first { self.sweeps[$0].terms.standing == .active } ?? entry.sweeps[0]
        self.hold(lease, by: worker, for: sweep, isWhole: false, at: now)
        return true
    }

    /// Tokens of this epoch are known; those of earlier ones were all given out by coordinators that are gone.
    func mayHaveBeenGranted(_ token: LeaseToken) -> Bool {
        token.epoch < self.epoch || token.epoch == self.epoch && token.counter <= self.counter
    }

    /// Ends a lease through no fault of the shard.
    private mutating func lose(_ token: LeaseToken, _ reason: String, at now: Instant) -> [Directive] {
        guard let lease = self.leases[token] else { preconditionFailure("\(token) is not live") }
        let ended = self.endLease(token)
        let failure = AttemptFailure(cause: .infrastructure, kind: .other, message: reason)
        return ended + self.countFailure(failure, of: lease.key, on: lease.worker, at: now)
    }

    /// A person's decision is no failure of the shards: they are queued as they were.
    mutating func shutOut(_ workers: [WorkerName], at now: Instant) -> [Directive] {
        let held = self.leases.filter { workers.contains($0.value.worker) }.sorted { $0.key < $1.key }
        for worker in workers { self.members[worker] = nil }
        return held.flatMap { token, _ in self.takeBack(token) }
    }

    mutating func expire(at now: Instant) -> [Directive] {
        var directives: [Directive] = []
        // Mostly there are none: to sort all members for every event would cost more than all else.
        for worker in self.members.filter({ $0.value.deadline <= now }).keys.sorted() {
            self.members[worker] = nil
            directives.append(.disconnect(worker))
        }
        let expired = self.leases.filter { $0.value.deadline <= now }.keys.sorted()
        for token in expired {
            guard let lease = self.leases[token] else { continue }
            let isConnected = self.members[lease.worker] != nil
            directives += self.lose(
                token,
                "nothing was heard of worker \(lease.worker) for \(self.limits.leaseSeconds) s",
                at: now
            )
            if isConnected { directives.append(.revoke(Lease(token: token, key: lease.key), from: lease.worker)) }
        }
        return directives
    }

    func earliestDeadline(after now: Instant) -> Instant? {
        [
            self.leases.values.map(\.deadline).min(), self.members.values.map(\.deadline).min(),
            self.isDraining ? nil : self.delayed.values.min(),
            // What is over already has had its effect.
            self.isDraining ? nil : self.earliestLateTime(after: now),
            self.members.keys.compactMap { self.records[$0]?.suspendedUntil }.filter { $0 > now }.min(),
            self.shortage.map { _ in now + self.limits.roomSeconds },
        ].compactMap { $0 }.min()
    }
}

extension Coordinator.Event {
    /// The worker that speaks.
    var worker: WorkerName? {
        switch self {
        case .workerJoined(let worker, _, _), .heartbeat(let worker, _), .workerDraining(let worker),
            .progressed(let worker, _, _), .checkpointed(let worker, _, _), .reported(let worker, _, _),
            .handedBack(let worker, _):
            worker
        case .submitted, .sweepChanged, .retryRequested, .workerLost, .workersBanned, .drainRequested, .roomMeasured,
            .timeAdvanced:
            nil
        }
    }
}
