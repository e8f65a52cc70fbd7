internal import Coordination
internal import CoordinatorShell
internal import Digests
internal import Sweeps

// What must hold, whatever happens.
extension SimulatedCluster {
    /// After every event: what the coordinator knows is what its store holds, no more is kept than there are shards and
    /// workers, and every checkpoint that the store names is there.
    mutating func check() {
        for machine in self.machines {
            guard let worker = machine.worker else { continue }
            let limit = worker.slots + self.shardCount * 4
            if worker.held.count > limit { self.fail("\(machine.name) holds \(worker.held.count) attempts") }
            if machine.trainers.count > worker.slots { self.fail("\(machine.name) runs more trainers than slots") }
        }
        guard self.isUnchecked else { return }
        self.isUnchecked = false
        for digest in self.model.blobs where !self.isWhole(digest) {
            self.fail("checkpoint \(digest.short) is recorded and its blob is not whole")
        }
        for link in self.links.values where link.isAdmitted && link.coordinatorEnd {
            let name = self.machines[link.worker].name
            if self.model.banned.contains(name) { self.fail("\(name) is banned and connected") }
        }
        guard let core = self.process?.core else { return }
        core.checkInvariants()
        for key in self.model.order {
            guard let entry = self.model.entries[key], let state = core.state(of: key) else { continue }
            if (state == .done) != entry.isDone { self.fail("\(key.short) is \(state), and done is \(entry.isDone)") }
            if (state == .failed) != (entry.givenUp == .failed)
                || (state == .quarantined) != (entry.givenUp == .quarantined)
            {
                self.fail("\(key.short) is \(state), and given up: \(String(describing: entry.givenUp))")
            }
            if core.failures(of: key) != entry.failures { self.fail("\(key.short) counts other failures than its row") }
            if core.checkpoints(of: key) != entry.checkpoints { self.fail("\(key.short) knows other checkpoints") }
            if entry.failures.experiment.count > self.experimentFailures[key, default: []].count {
                self.fail(
                    "\(key.short) is charged with \(entry.failures.experiment.count) failures of its own too many"
                )
            }
        }
        if core.running.count > 2 * self.model.order.count { self.fail("more leases than shards") }
        if core.workers.count > self.machines.count { self.fail("more workers than machines") }
    }

    /// Before entries are written.
    mutating func checkEntries(_ entries: [Coordinator.JournalEntry]) {
        for entry in entries {
            switch entry {
            case .finished(let lease, let worker, let result, _):
                if self.model.entries[lease.key]?.isDone == true { self.fail("two results for \(lease.key.short)") }
                let grant = self.granted[lease.token]
                if grant?.key != lease.key || grant?.worker != worker {
                    self.fail("\(lease) was never granted to \(worker)")
                }
                if self.model.banned.contains(worker) { self.fail("a result of \(worker), which is banned, counts") }
                if result != self.expectedResult(of: lease.key) { self.fail("\(lease.key.short) has another result") }
                if self.resumes[lease.key, default: 0] > 1 { self.seen.insert(.resumedOften) }
            case .failed(let key, let failures, let verdict) where verdict != .retry:
                self.checkGivenUp(key, failures, verdict)
            default: break
            }
        }
    }

    /// A shard is given up for what its trainers did in fact: where it would fail anywhere, on two workers, or as often as
    /// it may fail on one; or because it was lost as often as that may be.
    private mutating func checkGivenUp(
        _ key: ShardKey,
        _ failures: Coordinator.Failures,
        _ verdict: Coordinator.Verdict
    ) {
        self.seen.insert(.givenUp)
        let (own, limits) = (self.experimentFailures[key, default: []], Coordinator.Limits())
        let isJust: Bool
        if verdict == .failed {
            self.seen.insert(.failedForGood)
            isJust = own.contains { $0.kind.isDeterministic }
        } else if failures.infrastructure >= limits.infrastructureAttempts {
            isJust = true
        } else {
            let isOnTwo = Set(own.map(\.machine)).count > 1
            if isOnTwo { self.seen.insert(.quarantinedByTwo) }
            isJust = isOnTwo || own.count >= limits.experimentAttempts
        }
        if !isJust { self.fail("\(key.short) was given up for \(failures)") }
    }

    /// When a grant is sent.
    mutating func checkGrant(_ lease: Lease, to worker: WorkerName, _ checkpoints: Checkpoints) {
        if self.granted.updateValue((lease.key, worker), forKey: lease.token) != nil {
            self.fail("token \(lease.token) was granted twice")
        }
        if self.model.banned.contains(worker) { self.fail("\(worker) is banned and gets \(lease)") }
        guard let last = checkpoints.last else { return }
        self.seen.insert(.resumed)
        self.resumes[lease.key, default: 0] += 1
        if let maker = self.makers[last.digest], self.machines[maker].name != worker {
            self.seen.insert(.resumedElsewhere)
        }
        if !self.isWhole(last.digest) { self.fail("\(lease) goes on from a checkpoint that is gone") }
    }

    /// When a store is opened: it holds the acknowledged commits, and at most the one of unknown outcome besides.
    mutating func checkOpened(_ store: Store) throws(StoreError) {
        let others = self.otherModels.filter { $0 != self.model }
        var other: StoreModel?
        for each in others where try each.matches(store) { other = each }
        if try self.model.matches(store) {
            if !others.isEmpty {
                self.seen.insert(.unacknowledgedLost)
                self.note("the store does not hold the commit of unknown outcome")
            }
        } else if let other {
            self.seen.insert(.unacknowledgedKept)
            self.note("the store holds the commit of unknown outcome")
            self.model = other
        } else {
            let shards = try store.knownShards(of: SimulatedSweep.name)
            let other = zip(shards, self.model.knownShards).first { $0 != $1 }
            self.fail("the store does not hold what was acknowledged, but \(String(describing: other))")
        }
        self.otherModels = []
        for key in self.acknowledged where self.model.entries[key]?.isDone != true {
            self.fail("the acknowledged result of \(key.short) is lost")
        }
    }

    /// At the end: the table, read from a store that is opened once more, is a function of the accepted results.
    mutating func checkEnd() {
        self.disk.endProcess()
        self.process = nil
        do {
            let store = try self.openFile(logPagesLimit: 1000)
            try self.checkOpened(store)
            for shard in try store.shards(of: SimulatedSweep.all[self.shardCount - 1].sweep) {
                let isDone = self.model.entries[shard.key]?.isDone == true
                let expected = self.expectedResult(of: shard.key)
                if shard.result != (isDone ? expected : nil) {
                    self.fail("the table says of \(shard.planned.name): \(String(describing: shard.result))")
                }
            }
            try store.close()
        } catch {
            self.fail("the store cannot be read at the end: \(error)")
        }
    }
}
