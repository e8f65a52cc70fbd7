internal import Coordination
internal import Digests
internal import Sweeps
internal import Wire

/// A worker's machine: its process, its trainers, its disk.
struct Machine {
    struct Trainer {
        let lease: Lease
        var step: Int
        /// What its steps so far have come to.
        var state: UInt64
        var isStopping = false
    }

    struct Spooled {
        let outcome: Worker.Spooled
        var isDurable = false
    }

    let name: String
    let slots: Int
    var worker: Worker?
    /// Raised with the end of every process.
    var life = 0
    var connection: Int?
    var trainers: [LeaseToken: Trainer] = [:]
    /// What each attempt goes on from, and what stands in it.
    var starts: [LeaseToken: Checkpoints] = [:]
    var fetches: [LeaseToken: (lease: Lease, digest: Digest)] = [:]
    var states: [LeaseToken: UInt64] = [:]
    /// What is sent over the connection, one after the other.
    var uploads: [Upload] = []
    var clock = LocalClock()
    /// The version of its program, and whether it was told to bring another.
    var release = 0
    var isOutdated = false
    /// The latest wish to be woken; earlier ones are void.
    var wakeRequest = 0
    /// On its disk.
    var spool: [LeaseToken: Spooled] = [:]
    var pausedUntil: Int64 = 0
    /// Nothing gets through from it, or to it, until then.
    var upBlockedUntil: Int64 = 0
    var downBlockedUntil: Int64 = 0
    /// Not started again.
    var isLost = false
}

// The workers' shells, and their trainers.
extension SimulatedCluster {
    mutating func handle(_ event: Worker.Event, on index: Int) {
        let now = self.machines[index].clock.local(self.now)
        guard let directives = self.machines[index].worker?.handle(event, at: now) else { return }
        for directive in directives { self.carryOut(directive, on: index) }
    }

    mutating func later(_ event: Worker.Event, on index: Int, within milliseconds: ClosedRange<Int64>) {
        self.schedule(.event(worker: index, life: self.machines[index].life, event), within: milliseconds)
    }

    mutating func sendUp(_ message: Upward, from index: Int) {
        guard let connection = self.machines[index].connection else { return }
        self.send(.up(message), on: StreamID(connection: connection, isUp: true))
    }

    private mutating func carryOut(_ directive: Worker.Directive, on index: Int) {
        let life = self.machines[index].life
        switch directive {
        case .dial:
            let holding = self.machines[index].worker?.held ?? []
            self.schedule(.dialed(worker: index, life: life, holding: holding), within: 1...50)
        case .heartbeat(let holding): self.sendUp(.heartbeat(holding), from: index)
        case .announceDraining: self.sendUp(.draining, from: index)
        case .prepare(let lease): self.prepare(lease, on: index)
        case .start(let lease):
            let step = self.machines[index].starts[lease.token]?.last?.step ?? 0
            let state = self.machines[index].states[lease.token] ?? 0
            self.machines[index].trainers[lease.token] = Machine.Trainer(lease: lease, step: step, state: state)
            self.scheduleTrainer(lease.token, on: index)
        case .stop(let token): self.machines[index].trainers[token]?.isStopping = true
        case .kill(let token):
            guard let trainer = self.machines[index].trainers.removeValue(forKey: token) else { return }
            self.endTrainer(trainer, .failed(Self.infrastructure("killed")), on: index)
        case .upload(let lease, let checkpoint): self.upload(checkpoint, lease, from: index)
        case .spool(let lease, let outcome):
            self.machines[index].spool[lease.token] = .init(outcome: .init(lease: lease, outcome: outcome))
            self.schedule(.spooled(worker: index, life: life, lease.token), within: 1...20)
        case .report(let lease, let outcome): self.sendUp(.report(lease, outcome), from: index)
        case .handBack(let lease): self.sendUp(.handBack(lease), from: index)
        case .discard(let token):
            self.machines[index].spool[token] = nil
            self.machines[index].starts[token] = nil
            self.machines[index].fetches[token] = nil
            self.machines[index].states[token] = nil
        case .wake(let instant):
            self.machines[index].wakeRequest += 1
            let request = self.machines[index].wakeRequest
            self.schedule(.wakeWorker(worker: index, request: request), at: self.machines[index].clock.global(instant))
        case .leave(let departure):
            switch departure {
            case .asked: self.seen.insert(.asked)
            case .hurried: self.seen.insert(.hurried)
            case .dismissed: self.seen.insert(.dismissed)
            case .idle, .unreachable: break
            }
            self.note("\(self.machines[index].name) leaves: \(departure)")
            self.kill(index, withPower: true)
        }
    }

    static func infrastructure(_ message: String) -> AttemptFailure {
        AttemptFailure(cause: .infrastructure, kind: .other, message: message)
    }

    mutating func tell(_ message: Downward, to index: Int) {
        switch message {
        case .welcome:
            // Nothing goes on that was asked of an earlier connection.
            self.machines[index].uploads = []
            self.fetchAgain(on: index)
            self.handle(.connected, on: index)
        case .refusedWorker(let reason):
            self.note("\(self.machines[index].name) ends: \(reason)")
            self.machines[index].isOutdated = self.machines[index].release != self.release
            self.kill(index, withPower: true)
        case .heartbeat: break
        case .grant(let lease, let checkpoints):
            self.machines[index].starts[lease.token] = checkpoints
            self.handle(.granted(lease), on: index)
        case .revoke(let lease): self.handle(.revoked(lease.token), on: index)
        case .handBack(let leases): self.handle(.handBackRequested(leases.map(\.token)), on: index)
        case .settled(let lease): self.handle(.settled(lease.token), on: index)
        case .sendFrom(let digest, let offset): self.sendParts(of: digest, from: offset, on: index)
        case .stored(let digest): self.noteStored(digest, on: index)
        case .accepted(let digest): self.endUpload(of: digest, isRecorded: true, on: index)
        case .refused(let digest): self.endUpload(of: digest, isRecorded: false, on: index)
        case .fetched(let lease, let digest, let bytes): self.take(bytes, of: digest, for: lease, on: index)
        case .missing(let lease, let digest): self.handle(.blobMissing(lease.token, digest), on: index)
        case .dismissed: self.handle(.dismissed, on: index)
        }
    }

    // MARK: - Processes

    mutating func start(_ index: Int) {
        guard self.machines[index].worker == nil, !self.machines[index].isLost else { return }
        self.note("\(self.machines[index].name) starts")
        if self.machines[index].isOutdated {
            if !self.machines[index].spool.isEmpty { self.seen.insert(.upgraded) }
            (self.machines[index].release, self.machines[index].isOutdated) = (self.release, false)
        }
        self.machines[index].clock = self.newClock()
        self.machines[index].worker = Worker(slots: self.machines[index].slots)
        let spooled = self.machines[index].spool.sorted { $0.key < $1.key }.map(\.value.outcome)
        if !spooled.isEmpty { self.seen.insert(.spooledOutcome) }
        self.handle(.started(spooled: spooled), on: index)
    }

    /// Ends a worker's process with its trainers. Without power nobody says so, and what was not synced is gone.
    mutating func kill(_ index: Int, withPower: Bool) {
        guard self.machines[index].worker != nil else { return }
        if let connection = self.machines[index].connection { self.dropWorkerEnd(connection, saysSo: withPower) }
        self.machines[index].worker = nil
        self.machines[index].life += 1
        self.machines[index].wakeRequest += 1
        self.machines[index].connection = nil
        self.machines[index].trainers = [:]
        self.machines[index].starts = [:]
        self.machines[index].fetches = [:]
        self.machines[index].states = [:]
        self.machines[index].uploads = []
        if !withPower {
            self.machines[index].spool = self.machines[index].spool.filter { $0.value.isDurable }
        }
        self.schedule(.startWorker(index), within: 100...100 + self.swarm.restartMeanMilliseconds)
    }

    // MARK: - Trainers

    private mutating func scheduleTrainer(_ token: LeaseToken, on index: Int) {
        let time = self.random.wait(mean: self.swarm.stepMeanMilliseconds)
        self.schedule(.trainer(worker: index, life: self.machines[index].life, token), within: time...time + 1)
    }

    /// A trainer's end reaches its worker a little later.
    mutating func endTrainer(_ trainer: Machine.Trainer, _ end: Worker.TrainerEnd, on index: Int) {
        self.later(.trainerEnded(trainer.lease.token, end), on: index, within: 1...50)
    }

    mutating func train(_ token: LeaseToken, on index: Int) {
        guard var trainer = self.machines[index].trainers[token] else { return }
        let key = trainer.lease.key
        if trainer.isStopping {
            self.machines[index].trainers[token] = nil
            self.leaveCheckpoint(.last, of: trainer, on: index)
            return self.endTrainer(trainer, .interrupted, on: index)
        }
        if self.swarm.hasBlackHole && index == 0 || self.random.chance(self.swarm.experimentFailureProbability) {
            self.machines[index].trainers[token] = nil
            let kind: FailureKind = self.random.chance(0.2) ? .diverged : .other
            self.experimentFailures[key, default: []].append((index, kind))
            let failure = AttemptFailure(cause: .experiment, kind: kind, message: "it failed")
            return self.endTrainer(trainer, .failed(failure), on: index)
        }
        // An attempt may go on from the very last step.
        if trainer.step < self.swarm.steps { self.step(&trainer, on: index) }
        guard trainer.step >= self.swarm.steps else { return self.scheduleTrainer(token, on: index) }
        self.machines[index].trainers[token] = nil
        self.endTrainer(trainer, .finished(SimulatedSweep.result(of: key, state: trainer.state)), on: index)
    }

    private mutating func step(_ trainer: inout Machine.Trainer, on index: Int) {
        let token = trainer.lease.token
        trainer.step += 1
        trainer.state = SimulatedSweep.state(after: trainer.state, step: trainer.step, of: trainer.lease.key)
        self.machines[index].trainers[token] = trainer
        // What is best differs from machine to machine, as numbers do between processors.
        if trainer.step % (3 - index % 3) == 0 { self.leaveCheckpoint(.best, of: trainer, on: index) }
        if trainer.step % 2 == 0 { self.leaveCheckpoint(.last, of: trainer, on: index) }
    }

    private mutating func leaveCheckpoint(
        _ kind: TrainerEvent.Checkpointed.Kind,
        of trainer: Machine.Trainer,
        on index: Int
    ) {
        let content = SimulatedSweep.content(
            kind,
            step: trainer.step,
            of: trainer.lease.key,
            state: trainer.state,
            bytes: self.swarm.checkpointBytes
        )
        let checkpoint = SimulatedSweep.checkpoint(kind, step: trainer.step, content)
        self.contents[checkpoint.digest] = content
        self.makers[checkpoint.digest] = index
        self.later(.checkpointed(trainer.lease.token, checkpoint), on: index, within: 0...0)
    }
}

extension Upward: CustomStringConvertible {
    /// For people.
    var description: String {
        switch self {
        case .hello(let hello, _): "hello, \(hello.slots) slots, holding \(hello.holding)"
        case .heartbeat(let holding): "heartbeat, holding \(holding)"
        case .offer(let lease, let checkpoint): "\(lease) blob \(checkpoint.digest.short)"
        case .part(let part, let lease): "\(lease) blob \(part.digest.short) from \(part.offset)"
        case .fetch(let lease, let digest): "\(lease) wants blob \(digest.short)"
        case .checkpoint(let lease, let checkpoint): "\(lease) \(checkpoint.kind) checkpoint at \(checkpoint.step)"
        case .report(let lease, .finished(_, let best)): "\(lease) finished, best at \(best?.step ?? 0)"
        case .report(let lease, .failed(let failure)): "\(lease) failed: \(failure.message)"
        case .handBack(let lease): "\(lease) handed back"
        case .draining: "draining"
        }
    }
}

extension Downward: CustomStringConvertible {
    /// For people.
    var description: String {
        switch self {
        case .welcome: "welcome"
        case .refusedWorker(let reason): "refused: \(reason)"
        case .heartbeat: "heartbeat"
        case .grant(let lease, let checkpoints): "\(lease) granted from step \(checkpoints.last?.step ?? 0)"
        case .revoke(let lease): "\(lease) revoked"
        case .handBack(let leases): "hand back \(leases)"
        case .settled(let lease): "\(lease) settled"
        case .sendFrom(let digest, let offset): "blob \(digest.short) from \(offset)"
        case .stored(let digest): "blob \(digest.short) stored"
        case .accepted(let digest): "checkpoint \(digest.short) accepted"
        case .refused(let digest): "checkpoint \(digest.short) refused"
        case .fetched(let lease, let digest, let bytes): "\(lease) blob \(digest.short), \(bytes?.count ?? 0) bytes"
        case .missing(let lease, let digest): "\(lease) blob \(digest.short) missing"
        case .dismissed: "dismissed"
        }
    }
}
