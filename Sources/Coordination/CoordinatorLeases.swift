internal import Digests
internal import Sweeps

// Workers and their leases: who is there, what they hold, and when it ends.
extension Coordinator {
    /// Whatever a worker says shows that it is there.
    mutating func hear(_ event: Event, at now: Instant) {
        guard let worker = event.worker else { return }
        self.members[worker]?.deadline = now + self.limits.leaseSeconds
    }

    mutating func submit(_ known: [KnownShard], at now: Instant) -> [Directive] {
        for shard in known where self.shards[shard.key] == nil {
            let position = self.order.count
            self.order.append(shard.key)
            var entry = Entry(
                position: position,
                state: .queued(notBefore: nil),
                checkpoints: shard.checkpoints,
                failures: shard.failures,
                lastToken: nil
            )
            switch shard.state {
            case .open:
                self.queue.insert(position)
                self.unfinished += 1
            case .leased(let token, let worker):
                precondition(token.epoch < self.epoch, "\(token) is from a later coordinator than epoch \(self.epoch)")
                entry.state = .leased(token)
                entry.lastToken = token
                self.leases[token] = LiveLease(
                    key: shard.key,
                    worker: worker,
                    deadline: now + self.limits.leaseSeconds
                )
                self.unfinished += 1
            case .done: entry.state = .done
            case .failed: entry.state = .failed
            }
            self.shards[shard.key] = entry
        }
        self.announced = nil
        return []
    }

    mutating func join(_ worker: WorkerName, slots: Int, holding: [Lease], at now: Instant) -> [Directive] {
        precondition(slots > 0, "\(worker) offers \(slots) slots")
        let owned = self.leases.filter { $0.value.worker == worker }
        self.members[worker] = Member(
            slots: slots,
            deadline: now + self.limits.leaseSeconds,
            leases: Set(owned.keys)
        )
        var directives: [Directive] = []
        // A worker that has restarted has lost what it does not name; waiting for the deadline would help nobody.
        let held = Set(holding.map(\.token))
        for token in owned.keys.sorted() where !held.contains(token) {
            directives += self.lose(token, "its worker \(worker) came back without it", at: now)
        }
        for token in owned.keys.sorted().filter(held.contains).dropFirst(slots) {
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
            let member = self.members[worker], member.leases.count < member.slots,
            let entry = self.shards[lease.key], case .queued = entry.state,
            lease.token >= entry.lastToken ?? lease.token
        else { return false }
        self.dequeue(lease.key)
        self.hold(lease, by: worker, at: now)
        return true
    }

    /// Tokens of this epoch are known; those of earlier ones were all given out by coordinators that are gone.
    func mayHaveBeenGranted(_ token: LeaseToken) -> Bool {
        token.epoch < self.epoch || token.epoch == self.epoch && token.counter <= self.counter
    }

    private mutating func hold(_ lease: Lease, by worker: WorkerName, at now: Instant) {
        self.shards[lease.key]?.state = .leased(lease.token)
        self.shards[lease.key]?.lastToken = lease.token
        self.leases[lease.token] = LiveLease(
            key: lease.key,
            worker: worker,
            deadline: now + self.limits.leaseSeconds
        )
        self.members[worker]?.leases.insert(lease.token)
    }

    /// Ends a live lease; the shard's next state is the caller's business.
    mutating func release(_ token: LeaseToken) {
        guard let lease = self.leases.removeValue(forKey: token) else { preconditionFailure("\(token) is not live") }
        self.members[lease.worker]?.leases.remove(token)
    }

    /// Ends a lease through no fault of the shard.
    private mutating func lose(_ token: LeaseToken, _ reason: String, at now: Instant) -> [Directive] {
        guard let lease = self.leases[token] else { preconditionFailure("\(token) is not live") }
        self.release(token)
        let failure = AttemptFailure(cause: .infrastructure, kind: .other, message: reason)
        return [.record(.released(Lease(token: token, key: lease.key)))]
            + self.countFailure(failure, of: lease.key, at: now)
    }

    mutating func expire(at now: Instant) -> [Directive] {
        var directives: [Directive] = []
        for (worker, member) in self.members.sorted(by: { $0.key < $1.key }) where member.deadline <= now {
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

    mutating func grantQueued(at now: Instant) -> [Directive] {
        for (position, due) in self.delayed where due <= now {
            self.delayed[position] = nil
            self.shards[self.order[position]]?.state = .queued(notBefore: nil)
            self.queue.insert(position)
        }
        guard !self.isDraining else { return [] }
        var directives: [Directive] = []
        while !self.queue.isEmpty, let worker = self.freestWorker, let position = self.queue.removeLowest() {
            let key = self.order[position]
            guard let entry = self.shards[key] else { preconditionFailure("\(key) is queued but unknown") }
            self.counter += 1
            let lease = Lease(token: LeaseToken(epoch: self.epoch, counter: self.counter), key: key)
            self.hold(lease, by: worker, at: now)
            directives.append(.record(.granted(lease, to: worker)))
            directives.append(.grant(lease, to: worker, from: entry.checkpoints))
        }
        return directives
    }

    /// The worker with the most free slots; of several the first by name.
    private var freestWorker: WorkerName? {
        let free = self.members.compactMap { worker, member in
            member.isDraining || member.leases.count >= member.slots
                ? nil : (worker: worker, free: member.slots - member.leases.count)
        }
        return free.min { (-$0.free, $0.worker) < (-$1.free, $1.worker) }?.worker
    }

    /// Takes a queued shard out of the queue.
    mutating func dequeue(_ key: ShardKey) {
        guard let entry = self.shards[key], case .queued = entry.state else {
            preconditionFailure("\(key) is not queued")
        }
        if self.delayed.removeValue(forKey: entry.position) == nil { self.queue.remove(entry.position) }
    }

    var earliestDeadline: Instant? {
        [
            self.leases.values.map(\.deadline).min(), self.members.values.map(\.deadline).min(),
            self.isDraining ? nil : self.delayed.values.min(),
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
        case .submitted, .workerLost, .drainRequested, .timeAdvanced: nil
        }
    }
}
