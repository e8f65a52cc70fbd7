import Coordination
import Digests
import Sweeps

/// A coordinator and workers in one process: the real state machines, with a network, disks and trainers that a seed
/// makes up. Time is a number; what happens next is what stands first in the agenda.
struct ClusterSimulation {
    /// What crosses the network, in order within one connection.
    enum Upward: Sendable {
        case hello(slots: Int, holding: [Lease])
        case heartbeat([Lease])
        case checkpoint(Lease, TrainerEvent.Checkpointed)
        case report(Lease, Outcome)
        case handBack(Lease)
        case draining
    }
    enum Downward: Sendable {
        case welcome
        case grant(Lease, Checkpoints)
        case revoke(Lease)
        case handBack([Lease])
        case settled(Lease)
        case accepted(Lease, Digest)
        case missing(Lease, Digest)
    }
    enum Action: Sendable {
        case up(worker: Int, connection: Int, Upward)
        case down(worker: Int, connection: Int, Downward)
        case event(worker: Int, life: Int, Worker.Event)
        case trainer(worker: Int, life: Int, LeaseToken)
        case wakeWorker(worker: Int, request: Int)
        case wakeCoordinator(request: Int)
        case flushLazy(epoch: UInt64)
        case startWorker(Int)
        case startCoordinator
        case fault
    }

    struct Trainer {
        var lease: Lease
        var step: Int
        var isStopping = false
    }

    struct Machine {
        let name: String
        let slots: Int
        var worker: Worker?
        var life = 0
        var connection: Int?
        var trainers: [LeaseToken: Trainer] = [:]
        var starts: [LeaseToken: Checkpoints] = [:]
        /// The latest wish to be woken; earlier ones are void.
        var wakeRequest = 0
        /// On disk.
        var spool: [LeaseToken: Worker.Spooled] = [:]
    }

    /// What the coordinator's disk holds.
    struct Disk {
        var shards: [ShardKey: Coordinator.KnownShard] = [:]
        var results: Set<ShardKey> = []
        var blobs: Set<Digest> = []
        var epoch: UInt64 = 0
    }

    var random: SeededGenerator
    var now = Instant(milliseconds: 0)
    var agenda: [(time: Int64, order: Int, action: Action)] = []
    var scheduled = 0
    var connections = 0
    let keys: [ShardKey]
    var disk = Disk()
    var coordinator: Coordinator?
    var wakeRequest = 0
    var lazyEntries: [Coordinator.JournalEntry] = []
    var machines: [Machine]
    /// When faults end.
    let calm: Instant
    var isCalm = false
    /// The last time each ordered stream delivers: nothing overtakes.
    var lastDelivery: [Int: Int64] = [:]
    /// Leases whose outcome was settled with a result: it must be on disk ever after.
    var acknowledged: Set<ShardKey> = []
    /// Rare things that a campaign must have seen.
    var seen: [String: Int] = [:]

    init(seed: UInt64) {
        self.random = SeededGenerator(seed: seed)
        self.keys = (0..<Int.random(in: 1...8, using: &self.random)).map(shardKey)
        self.machines = (0..<Int.random(in: 1...3, using: &self.random)).map { index in
            Machine(name: "worker-\(index)", slots: 1 + index % 2)
        }
        self.calm = at(Int.random(in: 20...200, using: &self.random))
        for key in self.keys { self.disk.shards[key] = .init(key: key) }
        self.schedule(.startCoordinator, within: 1...10)
        for index in self.machines.indices { self.schedule(.startWorker(index), within: 1...5000) }
        self.schedule(.fault, within: 1000...10_000)
    }

    /// Runs until every shard has ended; says what went wrong.
    mutating func run() -> String? {
        var events = 0
        while !self.isOver {
            guard !self.agenda.isEmpty else { return "nothing is left to happen" }
            events += 1
            guard events < 40_000 else { return "no end in sight at \(self.now)" }
            let next = self.removeNext()
            self.now = Instant(milliseconds: max(self.now.milliseconds, next.time))
            if !self.isCalm, self.now >= self.calm { self.becomeCalm() }
            self.perform(next.action)
            guard self.acknowledged.isSubset(of: self.disk.results) else { return "an acknowledged result is lost" }
        }
        return nil
    }

    var isOver: Bool {
        self.isCalm
            && self.keys.allSatisfy { key in
                switch self.disk.shards[key]?.state {
                case .done, .failed, .quarantined: true
                case .open, .leased, nil: false
                }
            }
    }

    // MARK: - Agenda

    mutating func schedule(_ action: Action, within milliseconds: ClosedRange<Int64>) {
        self.schedule(action, at: self.now.milliseconds + Int64.random(in: milliseconds, using: &self.random))
    }

    mutating func schedule(_ action: Action, at time: Int64) {
        self.scheduled += 1
        self.agenda.append((time, self.scheduled, action))
    }

    mutating func removeNext() -> (time: Int64, order: Int, action: Action) {
        let index = self.agenda.indices.min { left, right in
            (self.agenda[left].time, self.agenda[left].order) < (self.agenda[right].time, self.agenda[right].order)
        }
        guard let index else { preconditionFailure("an empty agenda") }
        return self.agenda.remove(at: index)
    }

    mutating func send(_ action: Action, stream: Int) {
        let time =
            self.now.milliseconds + Int64.random(in: 1...(self.random.chance(0.05) ? 3000 : 30), using: &self.random)
        let ordered = max(time, (self.lastDelivery[stream] ?? 0) + 1)
        self.lastDelivery[stream] = ordered
        self.schedule(action, at: ordered)
    }

    // MARK: - What happens

    mutating func perform(_ action: Action) {
        switch action {
        case .up(let index, let connection, let message):
            guard self.machines[index].connection == connection, self.coordinator != nil else { return }
            self.hear(message, from: index)
        case .down(let index, let connection, let message):
            guard self.machines[index].connection == connection else { return }
            self.tell(message, to: index)
        case .event(let index, let life, let event):
            guard self.machines[index].life == life else { return }
            self.handle(event, on: index)
        case .trainer(let index, let life, let token):
            guard self.machines[index].life == life else { return }
            self.train(token, on: index)
        case .wakeWorker(let index, let request):
            guard self.machines[index].wakeRequest == request else { return }
            self.handle(.timeAdvanced, on: index)
        case .wakeCoordinator(let request): if request == self.wakeRequest { self.handle(.timeAdvanced) }
        case .flushLazy(let epoch): if epoch == self.disk.epoch { self.record([]) }
        case .startWorker(let index): self.start(index)
        case .startCoordinator: self.startCoordinator()
        case .fault: self.strike()
        }
    }

    mutating func becomeCalm() {
        self.isCalm = true
        if self.coordinator == nil { self.startCoordinator() }
        for index in self.machines.indices where self.machines[index].worker == nil { self.start(index) }
    }

    mutating func strike() {
        guard !self.isCalm else { return }
        let index = Int.random(in: self.machines.indices, using: &self.random)
        switch Int.random(in: 0..<10, using: &self.random) {
        case 0...2: self.cut(index)
        case 3...5: self.kill(index)
        case 6, 7: self.killCoordinator()
        case 8: self.handle(.leaveRequested, on: index)
        default:
            // A trainer dies alone.
            if let token = self.machines[index].trainers.keys.min() {
                self.machines[index].trainers[token] = nil
                self.handle(.trainerEnded(token, .failed(failure(.infrastructure))), on: index)
            }
        }
        self.schedule(.fault, within: 100...15_000)
    }

    mutating func cut(_ index: Int) {
        guard self.machines[index].connection != nil else { return }
        self.machines[index].connection = nil
        self.handle(.workerLost(self.machines[index].name))
        self.handle(.disconnected(jitter: Double.random(in: 0..<1, using: &self.random)), on: index)
    }

    mutating func kill(_ index: Int) {
        guard self.machines[index].worker != nil else { return }
        let wasConnected = self.machines[index].connection != nil
        self.machines[index].worker = nil
        self.machines[index].life += 1
        self.machines[index].connection = nil
        self.machines[index].trainers = [:]
        if wasConnected { self.handle(.workerLost(self.machines[index].name)) }
        self.schedule(.startWorker(index), within: 100...60_000)
    }

    mutating func start(_ index: Int) {
        guard self.machines[index].worker == nil else { return }
        self.machines[index].worker = Worker(slots: self.machines[index].slots)
        let spooled = self.machines[index].spool.sorted { $0.key < $1.key }.map(\.value)
        if !spooled.isEmpty { self.seen["outcome of an earlier process", default: 0] += 1 }
        self.handle(.started(spooled: spooled), on: index)
    }

    mutating func killCoordinator() {
        guard self.coordinator != nil else { return }
        self.coordinator = nil
        // Of what was not yet durable a part may be.
        let kept = Int.random(in: 0...self.lazyEntries.count, using: &self.random)
        for entry in self.lazyEntries.prefix(kept) { self.write(entry) }
        self.lazyEntries = []
        for index in self.machines.indices where self.machines[index].connection != nil {
            self.machines[index].connection = nil
            self.handle(.disconnected(jitter: 0.5), on: index)
        }
        self.schedule(.startCoordinator, within: 100...60_000)
    }

    mutating func startCoordinator() {
        guard self.coordinator == nil else { return }
        self.disk.epoch += 1
        self.coordinator = Coordinator(epoch: self.disk.epoch)
        self.handle(.submitted(self.keys.compactMap { self.disk.shards[$0] }))
    }

    // MARK: - The coordinator's shell

    mutating func handle(_ event: Coordinator.Event) {
        guard var coordinator = self.coordinator else { return }
        let directives = coordinator.handle(event, at: self.now)
        coordinator.checkInvariants()
        self.coordinator = coordinator
        self.record(directives)
        for directive in directives { self.carryOut(directive) }
    }

    mutating func record(_ directives: [Coordinator.Directive]) {
        self.lazyEntries += directives.entries
        guard directives.isEmpty || self.lazyEntries.contains(where: \.isUrgent) else {
            if !self.lazyEntries.isEmpty { self.schedule(.flushLazy(epoch: self.disk.epoch), within: 1000...1000) }
            return
        }
        for entry in self.lazyEntries { self.write(entry) }
        self.lazyEntries = []
    }

    mutating func write(_ entry: Coordinator.JournalEntry) {
        switch entry {
        case .granted(let lease, let worker): self.disk.shards[lease.key]?.state = .leased(lease.token, to: worker)
        case .released(let lease):
            if case .leased(lease.token, _) = self.disk.shards[lease.key]?.state {
                self.disk.shards[lease.key]?.state = .open
            }
        case .checkpoints(let key, let checkpoints, let failures):
            self.disk.shards[key]?.failures = failures
            self.disk.shards[key]?.checkpoints = checkpoints
        case .failed(let key, let failures, let verdict):
            self.disk.shards[key]?.failures = failures
            switch verdict {
            case .retry: break
            case .failed: self.disk.shards[key]?.state = .failed
            case .quarantined: self.disk.shards[key]?.state = .quarantined
            }
            if verdict != .retry { self.seen["shard given up", default: 0] += 1 }
        case .finished(let lease, _, _, let checkpoints):
            precondition(self.disk.results.insert(lease.key).inserted, "two results for \(lease.key)")
            self.disk.shards[lease.key]?.state = .done
            self.disk.shards[lease.key]?.checkpoints = checkpoints
        case .retried, .sweep: preconditionFailure("nobody asked for \(entry)")
        }
    }

    mutating func carryOut(_ directive: Coordinator.Directive) {
        switch directive {
        case .grant(let lease, let worker, let checkpoints):
            precondition(self.disk.shards[lease.key]?.checkpoints == checkpoints, "a grant from what is not durable")
            precondition(
                checkpoints.last.map { self.disk.blobs.contains($0.digest) } ?? true
            )
            if checkpoints.last != nil { self.seen["resumed from a checkpoint", default: 0] += 1 }
            self.sendDown(.grant(lease, checkpoints), to: worker)
        case .revoke(let lease, let worker):
            self.seen["revoked", default: 0] += 1
            self.sendDown(.revoke(lease), to: worker)
        case .requestHandBack(let leases, let worker): self.sendDown(.handBack(leases), to: worker)
        case .settle(let lease, let worker):
            if self.disk.results.contains(lease.key) { self.acknowledged.insert(lease.key) }
            self.sendDown(.settled(lease), to: worker)
        case .acceptCheckpoint(let digest, let lease, let worker): self.sendDown(.accepted(lease, digest), to: worker)
        case .discard(let digest):
            if !self.disk.shards.values.contains(where: { $0.checkpoints.blobs.contains(digest) }) {
                self.disk.blobs.remove(digest)
            }
        case .disconnect(let worker):
            if let index = self.machines.firstIndex(where: { $0.name == worker }) { self.cut(index) }
        case .wake(let instant):
            self.wakeRequest += 1
            self.schedule(.wakeCoordinator(request: self.wakeRequest), at: instant.milliseconds)
        case .compare: self.seen["ran twice", default: 0] += 1
        case .suspended: self.seen["suspended", default: 0] += 1
        case .record, .stalled, .sweepEnded, .ended, .drained: break
        }
    }

    mutating func sendDown(_ message: Downward, to worker: WorkerName) {
        guard let index = self.machines.firstIndex(where: { $0.name == worker }),
            let connection = self.machines[index].connection
        else { return }
        self.send(.down(worker: index, connection: connection, message), stream: -connection)
    }

    mutating func hear(_ message: Upward, from index: Int) {
        let name = self.machines[index].name
        switch message {
        case .hello(let slots, let holding):
            if !holding.isEmpty { self.seen["came back with leases", default: 0] += 1 }
            if let connection = self.machines[index].connection {
                self.send(.down(worker: index, connection: connection, .welcome), stream: -connection)
            }
            self.handle(.workerJoined(name, slots: slots, holding: holding))
        case .heartbeat(let holding): self.handle(.heartbeat(name, holding: holding))
        case .checkpoint(let lease, let checkpoint):
            self.disk.blobs.insert(checkpoint.digest)
            self.handle(.checkpointed(name, lease, checkpoint))
        case .report(let lease, let outcome):
            if case .finished(_, let best?) = outcome, self.coordinator?.wantsBlobs(of: lease) == true,
                !self.disk.blobs.contains(best.digest)
            {
                return self.sendDown(.missing(lease, best.digest), to: name)
            }
            if self.coordinator?.running.contains(where: { $0.lease == lease }) == false {
                self.seen["late report", default: 0] += 1
            }
            self.handle(.reported(name, lease, outcome))
        case .handBack(let lease): self.handle(.handedBack(name, lease))
        case .draining: self.handle(.workerDraining(name))
        }
    }
}
