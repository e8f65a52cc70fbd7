internal import Digests
internal import Sweeps

extension Coordinator {
    /// A connected worker.
    struct Member: Sendable {
        let capacity: Capacity
        var isDraining = false
        /// Moved on by anything it says; when it passes, the worker is disconnected.
        var deadline: Instant
        /// When its machine is taken away.
        let endsAt: Instant?
        var leases: Set<LeaseToken> = []
        /// Of what its leases need.
        var memoryBytes = 0
    }

    /// Shards that differ in nothing but their seed, and how long those took that are done.
    struct Cell: Sendable {
        var shards = 0
        var done = 0
        /// In ascending order.
        private var milliseconds: [Int64] = []

        var medianMilliseconds: Int64? {
            self.milliseconds.isEmpty ? nil : self.milliseconds[self.milliseconds.count / 2]
        }

        mutating func note(milliseconds: Int64) {
            let place = self.milliseconds.firstIndex { $0 > milliseconds } ?? self.milliseconds.endIndex
            self.milliseconds.insert(milliseconds, at: place)
        }
    }
}

// Which worker gets which shard.
extension Coordinator {
    mutating func grantQueued(at now: Instant) -> [Directive] {
        for (position, due) in self.delayed where due <= now {
            self.delayed[position] = nil
            self.enqueue(self.order[position], notBefore: nil)
        }
        self.shortage = nil
        // Mostly nothing waits: to look at all members and leases for every event would cost more than all else.
        guard !self.isDraining, self.isAnythingWaiting else { return [] }
        var directives: [Directive] = []
        var setAside: [ShardKey] = []
        var roomLeft = self.roomLeft
        while let (key, worker) = self.nextMatch(&setAside, room: roomLeft, at: now) {
            guard let entry = self.shards[key], let sweep = entry.sweeps.first(where: { self.isActive($0) }) else {
                preconditionFailure("\(key) is queued but nobody's")
            }
            roomLeft -= entry.demand.checkpointBytes
            let lease = self.newLease(of: key, entry, to: worker, for: sweep, at: now)
            directives.append(.record(.granted(lease, to: worker)))
            directives.append(.grant(lease, to: worker, from: entry.checkpoints))
        }
        for key in setAside { self.enqueue(key, notBefore: nil) }
        return directives
    }

    private mutating func newLease(
        of key: ShardKey,
        _ entry: Entry,
        to worker: WorkerName,
        for sweep: Int,
        at now: Instant
    ) -> Lease {
        self.counter += 1
        let lease = Lease(token: LeaseToken(epoch: self.epoch, counter: self.counter), key: key)
        self.hold(lease, by: worker, for: sweep, isWhole: entry.checkpoints.last == nil, at: now)
        return lease
    }

    private func isActive(_ sweep: Int) -> Bool { self.sweeps[sweep].terms.standing == .active }

    /// The next shard in turn that a worker can take, out of its queues, and the worker.
    ///
    /// - Parameter setAside: takes shards that should wait for a worker on which they have not failed.
    private mutating func nextMatch(
        _ setAside: inout [ShardKey],
        room: Int,
        at now: Instant
    ) -> (ShardKey, WorkerName)? {
        let free = self.members.filter { self.isFree($0.key, $0.value, at: now) }
        guard !free.isEmpty else { return nil }
        for sweep in self.turns {
            while let position = self.firstFitting(sweep, free, room: room) {
                let key = self.order[position]
                guard let entry = self.shards[key] else { preconditionFailure("\(key) is queued but unknown") }
                self.dequeue(key)
                if let worker = self.bestWorker(for: entry, among: free, at: now) { return (key, worker) }
                setAside.append(key)
            }
        }
        return nil
    }

    /// Of the sweep's waiting shards the first that any of these workers has room for, and the coordinator, too. Notes
    /// where that alone is short.
    private mutating func firstFitting(_ sweep: Int, _ free: [WorkerName: Member], room: Int) -> Int? {
        var first: Int?
        for (demand, queue) in self.sweeps[sweep].waiting {
            guard let lowest = queue.lowest, free.values.contains(where: { $0.fits(demand.needs) }) else { continue }
            let bytes = demand.checkpointBytes
            if bytes <= room {
                first = min(lowest, first ?? lowest)
            } else {
                self.shortage = Shortage(bytes: min(bytes, self.shortage?.bytes ?? bytes), isStalled: false)
            }
        }
        return first
    }

    /// Whether a worker may be given something.
    private func isFree(_ worker: WorkerName, _ member: Member, at now: Instant) -> Bool {
        self.obstacle(worker, member, at: now) == nil && member.leases.count < self.slots(of: worker, member)
    }

    private func slots(of worker: WorkerName, _ member: Member) -> Int {
        self.records[worker]?.isOnProbation == true ? 1 : member.capacity.slots
    }

    /// Where it has not failed, on the kernels that it began with, where most slots are free; of several the first by
    /// name. `nil` where it has failed on all of these and another worker is there that could take it later.
    private func bestWorker(for entry: Entry, among free: [WorkerName: Member], at now: Instant) -> WorkerName? {
        let fitting = free.filter { $0.value.fits(entry.needs) }
        let fresh = fitting.filter { !entry.failures.names($0.key) }
        if fresh.isEmpty, !entry.failures.experiment.isEmpty {
            let isOtherThere = self.members.contains { worker, member in
                !entry.failures.names(worker) && member.couldFit(entry.needs)
                    && self.obstacle(worker, member, at: now) == nil
            }
            if isOtherThere { return nil }
        }
        let candidates = fresh.isEmpty ? fitting : fresh
        func rank(_ worker: WorkerName, _ member: Member) -> (Int, Int, WorkerName) {
            let isOther =
                entry.checkpoints.last != nil && entry.checkpoints.kernelClass != member.kernelClass(of: entry)
            return (isOther ? 1 : 0, member.leases.count - member.capacity.slots, worker)
        }
        return candidates.min { rank($0.key, $0.value) < rank($1.key, $1.value) }?.key
    }

    /// Why a worker gets nothing at all, for people; `nil` where it may.
    func obstacle(_ worker: WorkerName, _ member: Member, at now: Instant) -> String? {
        if member.isDraining { return "is leaving" }
        if let until = self.records[worker]?.suspendedUntil, until > now {
            let reason = self.records[worker]?.suspensionReason ?? ""
            return "is suspended for \(Self.seconds(now, until)) s more: \(reason)"
        }
        let quiet = self.limits.leaseSeconds - Int(Self.seconds(now, member.deadline))
        if quiet >= self.limits.quietSeconds { return "has said nothing for \(quiet) s" }
        if let ends = member.endsAt, ends < now + self.limits.shortestLeaseSeconds {
            return "has too little time left to reach a checkpoint"
        }
        return nil
    }

    /// Makes a lease live.
    mutating func hold(_ lease: Lease, by worker: WorkerName, for sweep: Int, isWhole: Bool, at now: Instant) {
        guard let entry = self.shards[lease.key] else { preconditionFailure("\(lease.key) is unknown") }
        if case .leased(let first, nil) = entry.state {
            self.shards[lease.key]?.state = .leased(first, twin: lease.token)
        } else {
            self.shards[lease.key]?.state = .leased(lease.token)
            self.shards[lease.key]?.lastToken = lease.token
            self.promisedBytes += entry.demand.checkpointBytes
        }
        self.leases[lease.token] = LiveLease(
            key: lease.key,
            worker: worker,
            sweep: sweep,
            grantedAt: now,
            isWhole: isWhole,
            deadline: now + self.limits.leaseSeconds
        )
        self.sweeps[sweep].running += 1
        self.members[worker]?.leases.insert(lease.token)
        self.members[worker]?.memoryBytes += entry.needs.memoryBytes
    }

    /// Ends a live lease. A shard that has no other is left as queued, in no queue: what becomes of it is the caller's
    /// business.
    mutating func release(_ token: LeaseToken) {
        guard let lease = self.leases.removeValue(forKey: token), let entry = self.shards[lease.key] else {
            preconditionFailure("\(token) is not live")
        }
        self.sweeps[lease.sweep].running -= 1
        if self.members[lease.worker]?.leases.remove(token) != nil {
            self.members[lease.worker]?.memoryBytes -= entry.needs.memoryBytes
        }
        guard case .leased(let first, let twin) = entry.state else { preconditionFailure("\(lease.key) is not leased") }
        if let rest = token == first ? twin : first {
            self.shards[lease.key]?.state = .leased(rest)
            self.shards[lease.key]?.lastToken = max(rest, entry.lastToken ?? rest)
        } else {
            self.shards[lease.key]?.state = .queued(notBefore: nil)
            self.promisedBytes -= entry.demand.checkpointBytes
        }
    }

    /// Ends a live lease and has that written, and which attempt is now the only one where a twin is left.
    mutating func endLease(_ token: LeaseToken) -> [Directive] {
        guard let lease = self.leases[token] else { preconditionFailure("\(token) is not live") }
        self.release(token)
        let released = Directive.record(.released(Lease(token: token, key: lease.key)))
        guard case .leased(let rest, nil) = self.shards[lease.key]?.state, let worker = self.leases[rest]?.worker else {
            return [released]
        }
        return [released, .record(.granted(Lease(token: rest, key: lease.key), to: worker))]
    }

    // MARK: - Twins

    /// Where nothing waits, a free worker may run a late shard a second time: the first result counts.
    mutating func grantTwins(at now: Instant) -> [Directive] {
        guard !self.isDraining, self.delayed.isEmpty, !self.isAnythingWaiting else { return [] }
        var directives: [Directive] = []
        for token in self.leases.keys.filter({ self.lateTime($0).map { $0 <= now } ?? false }).sorted() {
            guard let lease = self.leases[token], let entry = self.shards[lease.key], self.isWanted(entry) else {
                continue
            }
            let free = self.members.filter { worker, member in
                worker != lease.worker && !entry.failures.names(worker) && self.isFree(worker, member, at: now)
                    && member.fits(entry.needs)
            }
            guard let worker = self.bestWorker(for: entry, among: free, at: now) else { continue }
            let twin = self.newLease(of: lease.key, entry, to: worker, for: lease.sweep, at: now)
            directives.append(.grant(twin, to: worker, from: entry.checkpoints))
        }
        return directives
    }

    /// From when a running shard is late; `nil` where it has a twin, or while too few of its cell are done.
    private func lateTime(_ token: LeaseToken) -> Instant? {
        guard let lease = self.leases[token], let entry = self.shards[lease.key],
            case .leased(token, nil) = entry.state,
            let cell = entry.cell.flatMap({ self.cells[$0] }), let median = cell.medianMilliseconds,
            Double(cell.done) >= self.limits.twinDoneShare * Double(cell.shards)
        else { return nil }
        let wait = max(Int64(Double(median) * self.limits.twinSlowness), Int64(self.limits.twinSeconds) * 1000)
        return Instant(milliseconds: lease.grantedAt.milliseconds + wait)
    }

    /// When the next running shard becomes late that has no twin yet.
    func earliestLateTime(after now: Instant) -> Instant? {
        guard self.members.count > 1, !self.isAnythingWaiting else { return nil }
        return self.leases.keys.compactMap(self.lateTime).filter { $0 > now }.min()
    }
}

extension Coordinator.Member {
    /// Whether there is room now.
    func fits(_ needs: Needs) -> Bool {
        needs.memoryBytes <= self.capacity.memoryBytes - self.memoryBytes && self.couldFit(needs)
    }

    /// Whether there is room when nothing runs.
    func couldFit(_ needs: Needs) -> Bool {
        needs.memoryBytes <= self.capacity.memoryBytes && needs.labels.isSubset(of: self.capacity.labels)
            && needs.kernelClass.map(self.capacity.kernels.contains) ?? true
    }

    /// What decides the bits of a shard here.
    func kernelClass(of entry: Coordinator.Entry) -> String? { entry.needs.kernelClass ?? self.capacity.kernelClass }
}
