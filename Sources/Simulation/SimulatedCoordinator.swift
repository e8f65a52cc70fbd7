internal import Coordination
internal import CoordinatorShell
internal import Digests
internal import Sweeps
internal import Wire

/// The coordinator's process: what its loop keeps.
struct CoordinatorProcess {
    enum Input {
        case event(Coordinator.Event)
        case joined(worker: Int, connection: Int, Hello)
        case ban(worker: Int)
        case said(worker: Int, connection: Int, Upward)
        case lost(worker: Int, connection: Int)
    }

    let life: Int
    var core: Coordinator
    let store: Store
    let blobs: BlobStore
    let clock: LocalClock
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
        let now = self.process?.clock.local(self.now) ?? self.now
        var directives: [Coordinator.Directive] = []
        do {
            var banned: [WorkerName] = []
            for case .ban(let worker) in inputs where self.ban(worker) { banned.append(self.machines[worker].name) }
            if !banned.isEmpty { directives += self.process?.core.handle(.workersBanned(banned), at: now) ?? [] }
            directives += self.measureRoom(at: now)
            for input in inputs {
                guard let event = try self.event(input) else { continue }
                directives += self.process?.core.handle(event, at: now) ?? []
                if case .joined(_, let connection, _) = input, self.process?.isEnded == true {
                    self.send(.down(.dismissed), on: StreamID(connection: connection, isUp: false))
                }
            }
        } catch {
            return self.stopCoordinator("\(error)")
        }
        guard !self.disk.isProcessGone else { return self.stopCoordinator("it was killed") }
        if let wakeAt = self.process?.wakeAt, wakeAt <= now {
            self.process?.wakeAt = nil
            directives += self.process?.core.handle(.timeAdvanced, at: now) ?? []
        }
        self.process?.waiting = directives
        self.record(directives)
    }

    /// On a full disk there is no room for any shard's checkpoints.
    private mutating func measureRoom(at now: Instant) -> [Coordinator.Directive] {
        let isFull = self.disk.isFull
        guard let process = self.process, isFull || process.isFull, now >= process.measuredAt + 1 else {
            return []
        }
        self.process?.isFull = isFull
        self.process?.measuredAt = now
        let room = Room(bytes: isFull ? -1 : .max, bound: "the disk is full")
        return self.process?.core.handle(.roomMeasured(room), at: now) ?? []
    }

    /// An input as an event; `nil` for one that is answered here or comes too late.
    private mutating func event(_ input: CoordinatorProcess.Input) throws(StoreError) -> Coordinator.Event? {
        switch input {
        case .event(let event): return event
        case .ban: return nil
        case .joined(let worker, let connection, let hello):
            let (name, holding) = (self.machines[worker].name, hello.holding)
            // It may have been let in a moment before it was banned.
            guard try self.process?.store.isBanned(name) == false else {
                self.hangUp(connection)
                return nil
            }
            if !holding.isEmpty { self.seen.insert(.cameBackHolding) }
            if let old = self.process?.links.updateValue(connection, forKey: name), old != connection {
                self.hangUp(old)
            }
            self.noteAdoptions(holding)
            return .workerJoined(name, hello.capacity, holding: holding)
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
            guard self.process?.blobs.contains(checkpoint.digest) == true else {
                self.sendDown(.refused(checkpoint.digest), to: name)
                return nil
            }
            return .checkpointed(name, lease, checkpoint)
        case .report(let lease, let outcome):
            if case .finished(_, let best?) = outcome, self.process?.core.wantsBlobs(of: lease) == true,
                self.process?.blobs.contains(best.digest) == false
            {
                self.seen.insert(.blobMissing)
                self.sendDown(.missing(lease, best.digest), to: name)
                return nil
            }
            self.noteReport(lease, outcome)
            return .reported(name, lease, outcome)
        case .handBack(let lease): return .handedBack(name, lease)
        case .draining: return .workerDraining(name)
        case .hello, .offer, .part, .fetch: preconditionFailure("\(message) is answered elsewhere")
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
        if case .hello(let hello, let release) = message {
            return self.admit(worker, release: release, hello, on: connection)
        }
        guard self.links[connection]?.isAdmitted == true else { return }
        switch message {
        case .offer, .part: self.hear(message, aboutBlobOn: connection)
        case .fetch(let lease, let digest):
            let content = self.disk.files["\(Self.blobsFolder)/\(digest)"]?.content
            self.send(.down(.fetched(lease, digest, content)), on: StreamID(connection: connection, isUp: false))
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
        let now = process.clock.local(self.now)
        let deadline = process.lazyDeadline ?? now + 1
        guard deadline <= now || entries.contains(where: \.isUrgent) else {
            if process.lazyDeadline == nil {
                self.schedule(.timer(life: process.life), at: process.clock.global(deadline))
            }
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
            self.otherModels = []
        } catch {
            self.otherModels.append(next)
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
        let now = process.clock.local(self.now)
        let isDue = [process.wakeAt, process.lazyDeadline].compactMap { $0 }.contains { $0 <= now }
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
        case .acceptCheckpoint(let digest, _, let worker): self.sendDown(.accepted(digest), to: worker)
        case .discard(let digest):
            guard try !process.store.refers(to: digest) else { return }
            process.blobs.remove(digest)
            self.removedBlobs.insert(digest)
        case .disconnect(let worker):
            self.seen.insert(.silent)
            if let connection = self.process?.links.removeValue(forKey: worker) { self.hangUp(connection) }
        case .compare(_, _, let result):
            self.seen.insert(.ranTwice)
            if result != self.expectedResult(of: result.key) { self.fail("\(result.key.short) gave other bits") }
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
            self.schedule(.timer(life: process.life), at: process.clock.global(instant))
        }
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
