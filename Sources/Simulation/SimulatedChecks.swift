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
        for digest in self.model.blobs where !self.blobs.contains(digest) {
            self.fail("checkpoint \(digest.short) is recorded and its blob is gone")
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
            if entry.failures.experiment.count > self.experimentFailures[key, default: 0] {
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
                if result != SimulatedSweep.result(of: lease.key) { self.fail("\(lease.key.short) has another result") }
            case .failed(let key, let failures, let verdict) where verdict != .retry:
                self.seen.insert(.givenUp)
                let isOwn = failures.last?.cause == .experiment && self.experimentFailures[key, default: 0] > 0
                let isLost = failures.infrastructure >= Coordinator.Limits().infrastructureAttempts
                if !isOwn, !isLost { self.fail("\(key.short) was given up for \(failures)") }
            default: break
            }
        }
    }

    /// When a grant is sent.
    mutating func checkGrant(_ lease: Lease, to worker: WorkerName, _ checkpoints: Checkpoints) {
        if self.granted.updateValue((lease.key, worker), forKey: lease.token) != nil {
            self.fail("token \(lease.token) was granted twice")
        }
        guard let last = checkpoints.last else { return }
        self.seen.insert(.resumed)
        if let maker = self.makers[last.digest], self.machines[maker].name != worker {
            self.seen.insert(.resumedElsewhere)
        }
        if !self.blobs.contains(last.digest) { self.fail("\(lease) goes on from a checkpoint that is gone") }
    }

    /// When a store is opened: it holds the acknowledged commits, and at most the one of unknown outcome besides.
    mutating func checkOpened(_ store: Store) throws(StoreError) {
        if let other = self.modelIfCommitted, other != self.model {
            let (was, had) = (try self.model.matches(store), try other.matches(store))
            if had {
                self.seen.insert(.unacknowledgedKept)
                self.note("the store holds the commit of unknown outcome")
                self.model = other
            } else if was {
                self.seen.insert(.unacknowledgedLost)
                self.note("the store does not hold the commit of unknown outcome")
            } else {
                self.fail("the store holds neither what was acknowledged nor that and the last commit")
            }
        } else if try !self.model.matches(store) {
            let shards = try store.knownShards(of: SimulatedSweep.name)
            let other = zip(shards, self.model.knownShards).first { $0 != $1 }
            self.fail("the store does not hold what was acknowledged, but \(String(describing: other))")
        }
        self.modelIfCommitted = nil
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
                if shard.result != (isDone ? SimulatedSweep.result(of: shard.key) : nil) {
                    self.fail("the table says of \(shard.planned.name): \(String(describing: shard.result))")
                }
            }
            try store.close()
        } catch {
            self.fail("the store cannot be read at the end: \(error)")
        }
    }
}
