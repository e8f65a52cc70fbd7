internal import Coordination
internal import CoordinatorShell
internal import Digests
internal import Sweeps

/// The coordinator's process: what its loop keeps.
struct CoordinatorProcess {
    enum Input {
        case event(Coordinator.Event)
        case joined(worker: Int, connection: Int, slots: Int, holding: [Lease])
        case said(worker: Int, connection: Int, Upward)
        case lost(worker: Int, connection: Int)
    }

    let life: Int
    var core: Coordinator
    let store: Store
    var inbox: [Input] = []
    /// Whether a turn is planned or its commit under way.
    var isBusy = false
    /// What waits for the commit.
    var waiting: [Coordinator.Directive] = []
    var wakeAt: Instant?
    /// Whether the core was told that there is no room, and when it was told last.
    var isFull = false
    var measuredAt = Instant(milliseconds: 0)
    var lazyEntries: [Coordinator.JournalEntry] = []
    var lazyDeadline: Instant?
    var isEnded = false
    /// The connection on which each worker is listened to.
    var links: [WorkerName: Int] = [:]
    var pausedUntil: Int64 = 0
    /// Stops when everything is handed back.
    var isDraining = false
}

// The coordinator's shell, turn by turn: all inputs that wait, one commit, then the rest.
extension SimulatedCluster {
    mutating func post(_ input: CoordinatorProcess.Input) {
        guard self.process != nil else { return }
        self.process?.inbox.append(input)
        self.requestTurn()
    }

    mutating func requestTurn() {
        guard let process = self.process, !process.isBusy else { return }
        self.process?.isBusy = true
        self.schedule(.turn(life: process.life), within: 0...2)
    }

    mutating func takeTurn() {
        guard let inputs = self.process?.inbox else { return }
        self.isUnchecked = true
        self.process?.inbox = []
        var directives = self.measureRoom()
        for input in inputs {
            guard let event = self.event(input) else { continue }
            directives += self.process?.core.handle(event, at: self.now) ?? []
            if case .joined(_, let connection, _, _) = input, self.process?.isEnded == true {
                self.send(.down(.dismissed), on: StreamID(connection: connection, isUp: false))
            }
        }
        if let wakeAt = self.process?.wakeAt, wakeAt <= self.now {
            self.process?.wakeAt = nil
            directives += self.process?.core.handle(.timeAdvanced, at: self.now) ?? []
        }
        self.process?.waiting = directives
        self.record(directives)
    }

    /// On a full disk there is no room for any shard's checkpoints.
    private mutating func measureRoom() -> [Coordinator.Directive] {
        let isFull = self.disk.isFull
        guard let process = self.process, isFull || process.isFull, self.now >= process.measuredAt + 1 else {
            return []
        }
        self.process?.isFull = isFull
        self.process?.measuredAt = self.now
        let room = Room(bytes: isFull ? -1 : .max, bound: "the disk is full")
        return self.process?.core.handle(.roomMeasured(room), at: self.now) ?? []
    }

    /// An input as an event; `nil` for one that is answered here or comes too late.
    private mutating func event(_ input: CoordinatorProcess.Input) -> Coordinator.Event? {
        switch input {
        case .event(let event): return event
        case .joined(let worker, let connection, let slots, let holding):
            let name = self.machines[worker].name
            if !holding.isEmpty { self.seen.insert(.cameBackHolding) }
            if let old = self.process?.links.updateValue(connection, forKey: name), old != connection {
                self.hangUp(old)
            }
            self.noteAdoptions(holding)
            return .workerJoined(name, Capacity(slots: slots), holding: holding)
        case .said(let worker, let connection, let message):
            guard self.process?.links[self.machines[worker].name] == connection else { return nil }
            return self.event(message, from: worker)
        case .lost(let worker, let connection):
            let name = self.machines[worker].name
            guard self.process?.links[name] == connection else { return nil }
            self.process?.links[name] = nil
            return .workerLost(name)
        }
    }

    private mutating func noteAdoptions(_ holding: [Lease]) {
        guard let process = self.process else { return }
        for lease in holding where lease.token.epoch < process.core.epoch {
            switch process.core.state(of: lease.key) {
            case .leased(lease.token, _): self.seen.insert(.keptLease)
            case .queued where self.model.entries[lease.key]?.token == nil: self.seen.insert(.adoptedForgottenLease)
            default: break
            }
        }
    }

    private mutating func event(_ message: Upward, from worker: Int) -> Coordinator.Event? {
        let name = self.machines[worker].name
        switch message {
        case .heartbeat(let holding):
            self.sendDown(.heartbeat, to: name)
            return .heartbeat(name, holding: holding)
        case .checkpoint(let lease, let checkpoint):
            guard self.blobs.contains(checkpoint.digest) else {
                self.sendDown(.refused(lease, checkpoint.digest), to: name)
                return nil
            }
            return .checkpointed(name, lease, checkpoint)
        case .report(let lease, let outcome):
            if case .finished(_, let best?) = outcome, self.process?.core.wantsBlobs(of: lease) == true,
                !self.blobs.contains(best.digest)
            {
                self.seen.insert(.blobMissing)
                self.sendDown(.missing(lease, best.digest), to: name)
                return nil
            }
            self.noteReport(lease, outcome)
            return .reported(name, lease, outcome)
        case .handBack(let lease): return .handedBack(name, lease)
        case .draining: return .workerDraining(name)
        case .hello, .blob: preconditionFailure("\(message) is answered elsewhere")
        }
    }

    private mutating func noteReport(_ lease: Lease, _ outcome: Outcome) {
        guard case .finished = outcome, let state = self.process?.core.state(of: lease.key) else { return }
        switch state {
        case .done: self.seen.insert(.needlessResult)
        case .leased(let first, let twin) where lease.token == first || lease.token == twin: break
        default: self.seen.insert(.lateResult)
        }
    }

    /// What comes over a connection.
    mutating func hear(_ message: Upward, on connection: Int, from worker: Int) {
        switch message {
        case .hello(let slots, let holding):
            self.send(.down(.welcome), on: StreamID(connection: connection, isUp: false))
            self.post(.joined(worker: worker, connection: connection, slots: slots, holding: holding))
        case .blob(let lease, let checkpoint):
            // The blobs' own thread: it takes what is wanted, and answers when it is on the disk.
            let isTaken = self.process?.core.wantsBlobs(of: lease) == true && !self.disk.isFull
            if isTaken { self.blobs.insert(checkpoint.digest) } else { self.seen.insert(.uploadRefused) }
            let answer: Downward = isTaken ? .stored(lease, checkpoint) : .refused(lease, checkpoint.digest)
            self.send(.down(answer), on: StreamID(connection: connection, isUp: false))
        default: self.post(.said(worker: worker, connection: connection, message))
        }
    }

    mutating func sendDown(_ message: Downward, to worker: WorkerName) {
        guard let connection = self.process?.links[worker] else { return }
        self.send(.down(message), on: StreamID(connection: connection, isUp: false))
    }

    // MARK: - Commits

    private mutating func record(_ directives: [Coordinator.Directive]) {
        guard let process = self.process else { return }
        let entries =
            process.lazyEntries
            + directives.compactMap { if case .record(let entry) = $0 { entry } else { nil } }
        self.process?.lazyEntries = entries
        guard !entries.isEmpty else { return self.endTurn() }
        let deadline = process.lazyDeadline ?? self.now + 1
        guard deadline <= self.now || entries.contains(where: \.isUrgent) else {
            if process.lazyDeadline == nil { self.schedule(.timer(life: process.life), at: deadline.milliseconds) }
            self.process?.lazyDeadline = deadline
            return self.endTurn()
        }
        self.checkEntries(entries)
        let syncs = self.disk.files[Self.storeFile]?.syncs
        do {
            try self.commit(self.model.applying(entries)) { () throws(StoreError) in
                try process.store.apply(entries)
            }
        } catch {
            return self.stopCoordinator("\(error)")
        }
        if self.disk.files[Self.storeFile]?.syncs != syncs { self.seen.insert(.logCopied) }
        self.process?.lazyEntries = []
        self.process?.lazyDeadline = nil
        let latency = min(1000, self.random.wait(mean: self.swarm.writeMeanMilliseconds))
        self.schedule(.carryOut(life: process.life), at: self.now.milliseconds + latency)
    }

    /// Changes the store and what is known of it. Of a change that fails nobody knows whether it has happened.
    mutating func commit(_ next: StoreModel, _ change: () throws(StoreError) -> Void) throws(StoreError) {
        do {
            try change()
            self.model = next
        } catch {
            self.modelIfCommitted = next
            throw error
        }
    }

    /// After the commit, or where there was none.
    mutating func endTurn() {
        guard let directives = self.process?.waiting else { return }
        self.isUnchecked = true
        self.process?.waiting = []
        for directive in directives {
            do {
                try self.carryOut(directive)
            } catch {
                return self.stopCoordinator("\(error)")
            }
            // A directive may have ended the process.
            guard self.process != nil else { return }
        }
        self.process?.isBusy = false
        guard let process = self.process else { return }
        let isDue = [process.wakeAt, process.lazyDeadline].compactMap { $0 }.contains { $0 <= self.now }
        if !process.inbox.isEmpty || isDue { self.requestTurn() }
    }

    private mutating func carryOut(_ directive: Coordinator.Directive) throws(StoreError) {
        guard let process = self.process else { return }
        switch directive {
        case .record(let entry): self.note("recorded: \(entry.line)")
        case .grant(let lease, let worker, let checkpoints):
            guard try process.store.shard(lease.key)?.key == lease.key else {
                return self.fail("\(lease) was granted and its shard is not stored")
            }
            self.checkGrant(lease, to: worker, checkpoints)
            self.sendDown(.grant(lease, checkpoints), to: worker)
        case .revoke(let lease, let worker):
            self.seen.insert(.revoked)
            self.sendDown(.revoke(lease), to: worker)
        case .requestHandBack(let leases, let worker): self.sendDown(.handBack(leases), to: worker)
        case .settle(let lease, let worker):
            if self.model.entries[lease.key]?.isDone == true { self.acknowledged.insert(lease.key) }
            self.sendDown(.settled(lease), to: worker)
        case .acceptCheckpoint(let digest, let lease, let worker): self.sendDown(.accepted(lease, digest), to: worker)
        case .discard(let digest):
            guard try !process.store.refers(to: digest), self.blobs.remove(digest) != nil else { return }
            self.removedBlobs.insert(digest)
        case .disconnect(let worker):
            self.seen.insert(.silent)
            if let connection = self.process?.links.removeValue(forKey: worker) { self.hangUp(connection) }
        case .compare(_, _, let result):
            self.seen.insert(.ranTwice)
            if result != SimulatedSweep.result(of: result.key) { self.fail("\(result.key.short) gave other bits") }
        case .suspended: self.seen.insert(.suspended)
        case .outOfRoom: self.seen.insert(.outOfRoom)
        case .stalled, .sweepEnded: break
        case .ended:
            self.process?.isEnded = true
            for worker in process.links.keys.sorted() { self.sendDown(.dismissed, to: worker) }
        case .drained:
            self.seen.insert(.coordinatorDrained)
            self.closeCoordinator()
        case .wake(let instant):
            self.process?.wakeAt = instant
            self.schedule(.timer(life: process.life), at: instant.milliseconds)
        }
    }

    // MARK: - Beginning and end

    mutating func startCoordinator() {
        guard self.process == nil else { return }
        self.isRestarting = false
        do {
            try self.openStore()
        } catch {
            self.note("the coordinator cannot start: \(error)")
            self.endCoordinator()
        }
    }

    static let storeFile = "quintet.sqlite"

    func openFile(logPagesLimit: Int) throws(StoreError) -> Store {
        let disk = self.disk
        return try Store(
            writing: Self.storeFile,
            on: Store.FileSystem(
                name: self.fileSystem.name,
                logPagesLimit: logPagesLimit,
                renew: { try disk.renew($0) },
                content: { disk.files[$0]?.content }
            )
        )
    }

    private mutating func openStore() throws(StoreError) {
        let copy = self.damageFile()
        let store: Store
        do {
            store = try self.openFile(logPagesLimit: self.swarm.logPagesLimit)
        } catch {
            if let copy { self.noteRefusal(of: error, restoring: copy) }
            throw error
        }
        if copy != nil { self.seen.insert(.damageHarmless) }
        try self.checkOpened(store)
        guard self.violation == nil else { return }
        if self.random.chance(0.2), self.model.knownShards.contains(where: { $0.isGivenUp }) {
            self.seen.insert(.retried)
            let failed = self.model.knownShards.filter(\.isGivenUp)
            try self.commit(self.model.applying(failed.map { .retried($0.key) })) { () throws(StoreError) in
                _ = try store.retry([.failed, .quarantined], of: SimulatedSweep.name)
            }
        }
        if self.lives > 0, self.shardCount < SimulatedSweep.shardsLimit, !self.isCalm, self.random.chance(0.1) {
            self.seen.insert(.grown)
            self.shardCount += 1
        }
        let sweep = SimulatedSweep.all[self.shardCount - 1]
        var next = self.model
        next.submit(sweep.keys)
        try self.commit(next) { () throws(StoreError) in
            _ = try store.submit(sweep.sweep, shards: sweep.shards, folders: [])
        }
        let referred = try store.referredBlobs()
        if !self.blobs.isSubset(of: referred), !self.removedBlobs.isEmpty { self.seen.insert(.blobReturned) }
        self.blobs.formIntersection(referred)
        let epoch = try store.beginEpoch()
        if epoch <= self.epochs { self.fail("epoch \(epoch) after \(self.epochs)") }
        self.epochs = epoch
        self.lives += 1
        self.note("the coordinator starts epoch \(epoch)")
        self.process = CoordinatorProcess(life: self.lives, core: Coordinator(epoch: epoch), store: store)
        self.post(.event(.submitted(sweep.sweep.terms, try store.knownShards(of: SimulatedSweep.name))))
    }

    /// The process ends by itself, after a write that failed or because the power went meanwhile.
    private mutating func stopCoordinator(_ reason: String) {
        self.note("the coordinator stops: \(reason)")
        self.endCoordinator()
    }

    /// As told: what is left to be written is, and the store is closed.
    private mutating func closeCoordinator() {
        guard let process = self.process else { return }
        if !process.lazyEntries.isEmpty {
            do {
                try self.commit(self.model.applying(process.lazyEntries)) { () throws(StoreError) in
                    try process.store.apply(process.lazyEntries)
                }
            } catch {
                return self.stopCoordinator("\(error)")
            }
        }
        try? process.store.close()
        self.endCoordinator()
    }

    mutating func killCoordinator(withPower: Bool) {
        guard self.process != nil else {
            // What an earlier process left behind may still be on its way to the disk.
            guard !withPower else { return }
            self.disk.losePower()
            return self.disk.endProcess()
        }
        self.seen.insert(withPower ? .coordinatorKilled : .powerLost)
        self.note(withPower ? "the coordinator is killed" : "the coordinator's machine loses its power")
        if !withPower { self.disk.losePower() }
        self.endCoordinator()
    }

    private mutating func endCoordinator() {
        self.isUnchecked = true
        // The power may have gone during a write.
        let hasPower = !self.disk.hasLostPower
        self.disk.endProcess()
        self.process = nil
        for (connection, link) in self.links.sorted(by: { $0.key < $1.key }) where link.coordinatorEnd {
            if hasPower { self.hangUp(connection) } else { self.closeCoordinatorEnd(connection) }
        }
        if !hasPower {
            for digest in self.removedBlobs.sorted() where self.random.chance(0.5) { self.blobs.insert(digest) }
        }
        self.isRestarting = true
        let wait = self.isCalm ? 1000 : self.swarm.restartMeanMilliseconds
        self.schedule(.startCoordinator, within: 100...100 + wait)
    }
}

extension Coordinator.JournalEntry {
    /// For people.
    var line: String {
        switch self {
        case .granted(let lease, let worker): "\(lease) granted to \(worker)"
        case .released(let lease): "\(lease) released"
        case .checkpoints(let key, let checkpoints, _):
            "\(key.short) kept at \(checkpoints.last?.step ?? 0), best at \(checkpoints.best?.step ?? 0)"
        case .failed(let key, let failures, let verdict):
            "\(key.short) failed \(failures.experiment.count)+\(failures.infrastructure) times"
                + (verdict == .retry ? "" : ", given up")
        case .finished(let lease, let worker, _, _): "\(lease) finished by \(worker)"
        case .retried(let key): "\(key.short) retried"
        case .sweep(let terms): "\(terms.name) is \(terms.standing)"
        }
    }
}
