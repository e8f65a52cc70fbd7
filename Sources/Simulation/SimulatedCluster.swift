internal import Coordination
internal import CoordinatorShell
internal import Digests
internal import Sweeps

/// A coordinator and workers in one process: the real state machines and the real store, over a network, a disk and
/// trainers that a seed makes up. Time is a number; what happens next is what stands first in the agenda.
///
/// First everything may break, but comes back. Then a part of the cluster, the coordinator and at least one worker, is
/// healed and the rest stays broken for ever: now every shard must come to its end.
struct SimulatedCluster {
    enum Action {
        case deliver(StreamID)
        case dialed(worker: Int, life: Int, holding: [Lease])
        case event(worker: Int, life: Int, Worker.Event)
        case trainer(worker: Int, life: Int, LeaseToken)
        case spooled(worker: Int, life: Int, LeaseToken)
        case wakeWorker(worker: Int, request: Int)
        case idle(connection: Int)
        case turn(life: Int)
        case carryOut(life: Int)
        case timer(life: Int)
        case startWorker(Int)
        case startCoordinator
        case emptyDisk
        case approve(Int)
        case fault
        case calm
    }

    let swarm: Swarm
    var random: SeededGenerator
    let history: History
    var seen: Set<Sometimes> = []
    var now = Instant(milliseconds: 0)
    var agenda: [(time: Int64, order: Int, action: Action)] = []
    var scheduled = 0
    var events = 0
    /// What must not have happened.
    var violation: String?
    /// Whether the second phase has begun, and since when.
    var calmSince: Instant?

    var links: [Int: Link] = [:]
    var connections = 0

    let disk: SimulatedDisk
    let fileSystem: DiskFileSystem
    /// Removed, but a power loss may bring them back.
    var removedBlobs: Set<Digest> = []
    /// The bytes of every checkpoint that a trainer has left.
    var contents: [Digest: [UInt8]] = [:]
    /// The version that coordinators are of.
    var release = 0
    var process: CoordinatorProcess?
    var lives = 0
    var isRestarting = false
    var shardCount: Int

    var machines: [Machine]
    /// The machines that are whole in the second phase.
    var core: Set<Int> = []

    // What the checks go by.
    /// Whether the last damage may go unnoticed.
    var mayBeUnnoticed = false
    /// Whether the coordinator or its disk may be another than at the last check.
    var isUnchecked = false
    /// What every opened store must hold.
    var model = StoreModel()
    /// What it may hold instead: a commit whose outcome nobody was told of has happened.
    var otherModels: [StoreModel] = []
    var epochs: UInt64 = 0
    /// Every lease that any coordinator gave out, and to whom.
    var granted: [LeaseToken: (key: ShardKey, worker: WorkerName)] = [:]
    /// Shards whose results a worker was told to forget.
    var acknowledged: Set<ShardKey> = []
    /// Where and how trainers failed by themselves.
    var experimentFailures: [ShardKey: [(machine: Int, kind: FailureKind)]] = [:]
    /// How often attempts went on from a checkpoint.
    var resumes: [ShardKey: Int] = [:]
    /// The results that uninterrupted attempts have.
    var expectedResults: [ShardKey: ShardResult] = [:]
    /// Who made a checkpoint.
    var makers: [Digest: Int] = [:]

    static let eventsLimit = 200_000
    /// How long the healed part may take.
    static let calmSecondsLimit = 4 * 3600

    init(seed: UInt64, keepsLines: Bool = false) {
        var random = SeededGenerator(seed: seed)
        self.swarm = Swarm(using: &random)
        self.history = History(keepsLines: keepsLines)
        self.disk = SimulatedDisk(seed: random.next())
        self.fileSystem = DiskFileSystem(self.disk)
        self.shardCount = Int(random.number(1...6))
        self.machines = (0..<Int(random.number(1...3))).map { Machine(name: "worker-\($0)", slots: 1 + $0 % 2) }
        self.random = random
        self.setDiskFaults(true)
        self.schedule(.startCoordinator, within: 1...10)
        for index in self.machines.indices { self.schedule(.startWorker(index), within: 1...5000) }
        self.schedule(.fault, within: 0...2 * self.swarm.faultMeanMilliseconds)
        self.schedule(.calm, within: 20_000...200_000)
    }

    /// Runs to the end.
    mutating func run() -> SimulatedRun {
        while self.violation == nil, !self.isOver {
            guard self.events < Self.eventsLimit else {
                self.violation = "no end in sight after \(self.events) events"
                break
            }
            self.events += 1
            let next = self.removeNext()
            self.now = Instant(milliseconds: max(self.now.milliseconds, next.time))
            self.history.mix(UInt64(bitPattern: self.now.milliseconds))
            self.history.mix(UInt64(next.order))
            self.history.mix(self.random.state)
            self.perform(next.action)
            self.check()
            if let since = self.calmSince, self.now > since + Self.calmSecondsLimit {
                self.fail("the healed part has not finished after \(Self.calmSecondsLimit) s: \(self.unfinished)")
            }
        }
        if self.violation == nil { self.checkEnd() }
        self.seen.formUnion(self.disk.seen)
        return SimulatedRun(
            events: self.events,
            milliseconds: self.now.milliseconds,
            fingerprint: self.history.fingerprint,
            history: self.history.lines,
            seen: self.seen,
            violation: self.violation
        )
    }

    mutating func fail(_ reason: String) {
        guard self.violation == nil else { return }
        self.violation = reason
        self.note("VIOLATION: \(reason)")
    }

    func note(_ line: @autoclosure () -> String) { self.history.add(at: self.now, line()) }

    // MARK: - Agenda

    mutating func schedule(_ action: Action, within milliseconds: ClosedRange<Int64>) {
        self.schedule(action, at: self.now.milliseconds + self.random.number(milliseconds))
    }

    mutating func schedule(_ action: Action, at time: Int64) {
        self.scheduled += 1
        self.agenda.append((time, self.scheduled, action))
    }

    private mutating func removeNext() -> (time: Int64, order: Int, action: Action) {
        var first = 0
        for index in self.agenda.indices.dropFirst() {
            let (one, other) = (self.agenda[index].time, self.agenda[first].time)
            if one < other || one == other && self.agenda[index].order < self.agenda[first].order { first = index }
        }
        precondition(!self.agenda.isEmpty, "an empty agenda")
        self.agenda.swapAt(first, self.agenda.count - 1)
        return self.agenda.removeLast()
    }

    // MARK: - What happens

    private mutating func perform(_ action: Action) {
        switch action {
        case .deliver(let stream): self.deliver(stream)
        case .dialed(let index, let life, let holding):
            guard self.isAwake(index, life, action) else { return }
            self.connect(index, holding: holding)
        case .event(let index, let life, let event):
            guard self.isAwake(index, life, action) else { return }
            self.handle(event, on: index)
        case .spooled(let index, let life, let token):
            guard self.isAwake(index, life, action) else { return }
            self.machines[index].spool[token]?.isDurable = true
            self.handle(.spooled(token), on: index)
        case .trainer(let index, let life, let token):
            guard self.machines[index].life == life else { return }
            self.train(token, on: index)
        case .wakeWorker(let index, let request):
            guard self.machines[index].wakeRequest == request,
                self.isAwake(index, self.machines[index].life, action)
            else { return }
            self.handle(.timeAdvanced, on: index)
        case .idle(let connection): self.checkIdle(connection)
        case .turn(let life): if self.isRunning(life, action) { self.takeTurn() }
        case .carryOut(let life): if self.isRunning(life, action) { self.endTurn() }
        case .timer(let life): if self.process?.life == life { self.requestTurn() }
        case .startWorker(let index): self.start(index)
        case .startCoordinator: self.startCoordinator()
        case .emptyDisk: self.disk.isFull = false
        case .approve(let index): self.approve(index)
        case .fault: self.strike()
        case .calm: self.becomeCalm()
        }
    }

    /// Whether this process of a worker is there and moves; what a stopped one is to do waits for it.
    private mutating func isAwake(_ index: Int, _ life: Int, _ action: Action) -> Bool {
        guard self.machines[index].life == life, self.machines[index].worker != nil else { return false }
        guard self.machines[index].pausedUntil <= self.now.milliseconds else {
            if self.machines[index].pausedUntil != .max { self.schedule(action, at: self.machines[index].pausedUntil) }
            return false
        }
        return true
    }

    private mutating func isRunning(_ life: Int, _ action: Action) -> Bool {
        guard let process = self.process, process.life == life else { return false }
        guard process.pausedUntil <= self.now.milliseconds else {
            self.schedule(action, at: process.pausedUntil)
            return false
        }
        return true
    }

    // MARK: - The two phases

    /// Heals the coordinator and some workers for good; what becomes of the others is for good, too.
    private mutating func becomeCalm() {
        self.calmSince = self.now
        self.setDiskFaults(false)
        self.disk.isFull = false
        self.process?.pausedUntil = 0
        if self.process == nil, !self.isRestarting { self.schedule(.startCoordinator, within: 1...1000) }
        self.core = [Int(self.random.number(0...Int64(self.machines.count - 1)))]
        for index in self.machines.indices {
            if self.core.contains(index) || self.random.chance(0.5) {
                self.core.insert(index)
                self.heal(index)
            } else {
                self.breakForGood(index)
            }
        }
        self.note("from now on \(self.core.sorted().map { self.machines[$0].name }) and the coordinator are whole")
    }

    private mutating func heal(_ index: Int) {
        self.machines[index].upBlockedUntil = 0
        self.machines[index].downBlockedUntil = 0
        self.machines[index].isLost = false
        self.machines[index].pausedUntil = 0
        self.schedule(.approve(index), within: 1...1000)
        if self.machines[index].worker == nil { self.schedule(.startWorker(index), within: 1...1000) }
        self.wakeStreams(of: index)
    }

    private mutating func breakForGood(_ index: Int) {
        switch self.random.number(0...4) {
        case 0:
            self.kill(index, withPower: self.random.chance(0.5))
            self.machines[index].isLost = true
        case 1: self.machines[index].pausedUntil = .max
        case 2: self.machines[index].upBlockedUntil = .max
        case 3: self.machines[index].downBlockedUntil = .max
        default: (self.machines[index].upBlockedUntil, self.machines[index].downBlockedUntil) = (.max, .max)
        }
    }

    mutating func setDiskFaults(_ isOn: Bool) {
        self.disk.readFaults = isOn ? self.swarm.readFaultProbability : 0
        self.disk.writeFaults = isOn ? self.swarm.writeFaultProbability : 0
        self.disk.syncFaults = isOn ? self.swarm.syncFaultProbability : 0
        self.disk.lossProbability = self.swarm.crashFaultProbability
        if !isOn { self.disk.fuse = nil }
    }

    var isCalm: Bool { self.calmSince != nil }

    mutating func newClock() -> LocalClock {
        self.swarm.hasBadClocks ? LocalClock(using: &self.random) : LocalClock()
    }

    mutating func expectedResult(of key: ShardKey) -> ShardResult {
        if let result = self.expectedResults[key] { return result }
        let result = SimulatedSweep.result(of: key, steps: self.swarm.steps)
        self.expectedResults[key] = result
        return result
    }

    /// Shards that are neither done nor given up.
    var unfinished: [String] {
        self.model.order.filter { self.model.entries[$0].map { !$0.isOver } ?? true }.map(\.short)
    }

    /// All shards are over, and the healed workers have nothing left to say.
    private var isOver: Bool {
        guard self.isCalm, let process = self.process, !process.isBusy, !self.model.order.isEmpty,
            self.model.order.allSatisfy({ self.model.entries[$0].map { $0.isOver } ?? false })
        else { return false }
        return self.core.allSatisfy { index in
            self.machines[index].worker.map(\.held.isEmpty) ?? self.machines[index].spool.isEmpty
        }
    }
}

/// What became of one run.
public struct SimulatedRun: Sendable {
    public var events: Int
    /// Simulated.
    public var milliseconds: Int64
    /// A number that two runs share only if they are the same.
    public var fingerprint: UInt64
    /// Lines for people, where they were asked for.
    public var history: [String]
    public var seen: Set<Sometimes>
    /// What must not have happened, and did.
    public var violation: String?

    /// Runs a cluster that is a function of the seed.
    public init(seed: UInt64, keepsHistory: Bool = false) {
        var cluster = SimulatedCluster(seed: seed, keepsLines: keepsHistory)
        self = cluster.run()
    }

    init(
        events: Int,
        milliseconds: Int64,
        fingerprint: UInt64,
        history: [String],
        seen: Set<Sometimes>,
        violation: String?
    ) {
        self.events = events
        self.milliseconds = milliseconds
        self.fingerprint = fingerprint
        self.history = history
        self.seen = seen
        self.violation = violation
    }
}
