internal import Sweeps

extension Coordinator {
    /// A sweep and those of its shards that wait, by what they ask for: one look at each demand finds whom to serve.
    struct Sweep: Sendable {
        var terms: SweepTerms
        var waiting: [Demand: PositionQueue] = [:]
        var running = 0
        var unfinished = 0
        var isEndTold = false

        var isAnythingWaiting: Bool { self.waiting.values.contains { !$0.isEmpty } }
    }
}

// Sweeps side by side: whose turn it is, and what a person changes.
extension Coordinator {
    mutating func submit(_ terms: SweepTerms, _ known: [KnownShard], at now: Instant) -> [Directive] {
        let place = self.place(of: terms)
        let dropped = self.drop(from: place, allBut: Set(known.map(\.key)))
        for shard in known {
            guard let entry = self.shards[shard.key] else {
                self.add(shard, to: place, at: now)
                continue
            }
            if !entry.sweeps.contains(place) { self.share(shard.key, with: place) }
            if entry.needs != shard.needs { self.setNeeds(shard.needs, of: shard.key) }
        }
        self.sweeps[place].isEndTold = false
        self.isEndTold = false
        return dropped
    }

    /// A sweep's grid has lost shards: nobody waits for them any more, and those that run only for it are stopped.
    private mutating func drop(from place: Int, allBut kept: Set<ShardKey>) -> [Directive] {
        let dropped = self.shards.filter { $0.value.sweeps.contains(place) && !kept.contains($0.key) }
        for (key, entry) in dropped {
            if case .queued(nil) = entry.state { self.sweeps[place].waiting[entry.demand]?.remove(entry.position) }
            if !entry.state.isOver { self.sweeps[place].unfinished -= 1 }
            self.shards[key]?.sweeps.removeAll { $0 == place }
        }
        return self.stopUnwanted { key, _ in dropped[key] != nil }
    }

    /// The sweep of that name, new or with these terms.
    private mutating func place(of terms: SweepTerms) -> Int {
        if let place = self.sweeps.firstIndex(where: { $0.terms.name == terms.name }) {
            self.sweeps[place].terms = terms
            return place
        }
        self.sweeps.append(Sweep(terms: terms))
        return self.sweeps.count - 1
    }

    private mutating func add(_ shard: KnownShard, to place: Int, at now: Instant) {
        let position = self.order.count
        self.order.append(shard.key)
        var entry = Entry(
            position: position,
            state: .queued(notBefore: nil),
            checkpoints: shard.checkpoints,
            failures: shard.failures,
            needs: shard.needs,
            cell: shard.cell,
            sweeps: [place],
            lastToken: nil
        )
        if let cell = shard.cell { self.cells[cell, default: Cell()].shards += 1 }
        switch shard.state {
        case .open: self.sweeps[place].unfinished += 1
        case .leased(let token, let worker):
            precondition(token.epoch < self.epoch, "\(token) is from a later coordinator than epoch \(self.epoch)")
            entry.state = .leased(token)
            entry.lastToken = token
            self.leases[token] = LiveLease(
                key: shard.key,
                worker: worker,
                sweep: place,
                grantedAt: now,
                isWhole: false,
                deadline: now + self.limits.leaseSeconds
            )
            self.promisedBytes += entry.demand.checkpointBytes
            self.sweeps[place].running += 1
            self.sweeps[place].unfinished += 1
        case .done:
            entry.state = .done
            if let cell = shard.cell { self.cells[cell]?.done += 1 }
        case .failed: entry.state = .failed
        case .quarantined: entry.state = .quarantined
        }
        self.shards[shard.key] = entry
        if shard.state == .open { self.enqueue(shard.key, notBefore: nil) }
    }

    /// A second sweep wants a shard that is there.
    private mutating func share(_ key: ShardKey, with place: Int) {
        guard var entry = self.shards[key] else { return }
        entry.sweeps.append(place)
        self.shards[key] = entry
        if !entry.state.isOver { self.sweeps[place].unfinished += 1 }
        if case .queued(nil) = entry.state {
            self.sweeps[place].waiting[entry.demand, default: PositionQueue()].insert(entry.position)
        }
    }

    /// Of what several grids ask for a shard the last holds. One that runs goes on where it is.
    private mutating func setNeeds(_ needs: Needs, of key: ShardKey) {
        guard let entry = self.shards[key] else { return }
        let isWaiting = entry.state == .queued(notBefore: nil)
        if isWaiting { self.dequeue(key) }
        self.shards[key]?.needs = needs
        if isWaiting { self.enqueue(key, notBefore: nil) }
        guard case .leased(let first, let twin) = entry.state else { return }
        self.promisedBytes += (self.shards[key]?.demand.checkpointBytes ?? 0) - entry.demand.checkpointBytes
        for token in [first, twin].compactMap({ $0 }) {
            guard let worker = self.leases[token]?.worker, self.members[worker]?.leases.contains(token) == true else {
                continue
            }
            self.members[worker]?.memoryBytes += needs.memoryBytes - entry.needs.memoryBytes
        }
    }

    mutating func change(_ terms: SweepTerms) -> [Directive] {
        guard let place = self.sweeps.firstIndex(where: { $0.terms.name == terms.name }),
            self.sweeps[place].terms != terms
        else { return [] }
        self.sweeps[place].terms = terms
        self.isEndTold = false
        let record = Directive.record(.sweep(terms))
        guard terms.standing != .active else { return [record] }
        return [record] + self.stopUnwanted { $1.sweeps.contains(place) }
    }

    /// Stops what runs of these shards and no active sweep wants: after a checkpoint where a paused one has it, which
    /// goes on with it later, else at once.
    private mutating func stopUnwanted(_ isAffected: (ShardKey, Entry) -> Bool) -> [Directive] {
        var handedBack: [LeaseToken] = []
        var directives: [Directive] = []
        for token in self.leases.keys.sorted() {
            guard let lease = self.leases[token], let entry = self.shards[lease.key],
                isAffected(lease.key, entry), !self.isWanted(entry)
            else { continue }
            if entry.sweeps.contains(where: { self.sweeps[$0].terms.standing == .paused }) {
                handedBack.append(token)
            } else {
                directives += self.takeBack(token)
                directives.append(.revoke(Lease(token: token, key: lease.key), from: lease.worker))
            }
        }
        return self.requestHandBack(handedBack) + directives
    }

    /// Whether any active sweep wants it.
    func isWanted(_ entry: Entry) -> Bool {
        entry.sweeps.contains { self.sweeps[$0].terms.standing == .active }
    }

    /// Puts a shard that nobody runs into its sweeps' queues, now or when its time has come.
    mutating func enqueue(_ key: ShardKey, notBefore: Instant?) {
        guard let entry = self.shards[key] else { preconditionFailure("\(key) is unknown") }
        self.shards[key]?.state = .queued(notBefore: notBefore)
        if let notBefore {
            self.delayed[entry.position] = notBefore
        } else {
            for sweep in entry.sweeps {
                self.sweeps[sweep].waiting[entry.demand, default: PositionQueue()].insert(entry.position)
            }
        }
    }

    /// Takes a queued shard out of all queues.
    mutating func dequeue(_ key: ShardKey) {
        guard let entry = self.shards[key], case .queued = entry.state else {
            preconditionFailure("\(key) is not queued")
        }
        guard self.delayed.removeValue(forKey: entry.position) == nil else { return }
        for sweep in entry.sweeps { self.sweeps[sweep].waiting[entry.demand]?.remove(entry.position) }
    }

    /// One shard fewer to go for each of its sweeps.
    mutating func countOver(_ entry: Entry) {
        for sweep in entry.sweeps { self.sweeps[sweep].unfinished -= 1 }
    }

    /// Whether any active sweep has a shard that could be granted at once.
    var isAnythingWaiting: Bool { self.sweeps.contains { $0.terms.standing == .active && $0.isAnythingWaiting } }

    /// Active sweeps with something waiting, the one whose turn it is first: by priority, then by how much of its
    /// share it uses, then by age.
    var turns: [Int] {
        self.sweeps.indices.filter { index in
            self.sweeps[index].terms.standing == .active && self.sweeps[index].isAnythingWaiting
        }.sorted { left, right in
            let (a, b) = (self.sweeps[left], self.sweeps[right])
            guard a.terms.priority == b.terms.priority else { return a.terms.priority > b.terms.priority }
            let (usedA, usedB) = ((a.running + 1) * b.terms.weight, (b.running + 1) * a.terms.weight)
            return (usedA, left) < (usedB, right)
        }
    }

    /// Says once how a sweep, and how everything, ended.
    mutating func announceEnd() -> [Directive] {
        var ends: [Directive] = []
        for index in self.sweeps.indices where self.sweeps[index].unfinished == 0 && !self.sweeps[index].isEndTold {
            self.sweeps[index].isEndTold = true
            ends.append(.sweepEnded(self.sweeps[index].terms.name))
        }
        let wanted = self.sweeps.filter { $0.terms.standing != .cancelled }
        if !self.isEndTold, !wanted.isEmpty, wanted.allSatisfy({ $0.unfinished == 0 }) {
            self.isEndTold = true
            ends.append(.ended)
        }
        if !self.isDrainTold, self.isDraining, self.members.values.allSatisfy(\.leases.isEmpty) {
            self.isDrainTold = true
            ends.append(.drained)
        }
        return ends
    }
}
