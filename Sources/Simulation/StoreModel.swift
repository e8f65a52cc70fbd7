internal import Coordination
internal import CoordinatorShell
internal import Digests
internal import Sweeps
internal import Wire

/// What the store must hold: the commits that were acknowledged, applied to plain values.
struct StoreModel: Equatable {
    struct Entry: Equatable {
        var isDone = false
        var givenUp: GivenUp?
        var failures = Coordinator.Failures()
        var checkpoints = Checkpoints()
        var holder: WorkerName?
        var token: LeaseToken?

        var isOver: Bool { self.isDone || self.givenUp != nil }
    }

    /// The sweep's shards in the grid's order.
    var order: [ShardKey] = []
    var entries: [ShardKey: Entry] = [:]
    /// Workers that are shut out.
    var banned: Set<WorkerName> = []

    var blobs: Set<Digest> { self.entries.values.reduce(into: []) { $0.formUnion($1.checkpoints.blobs) } }

    mutating func submit(_ keys: [ShardKey]) {
        self.order = keys
        for key in keys where self.entries[key] == nil { self.entries[key] = Entry() }
    }

    mutating func apply(_ entry: Coordinator.JournalEntry) {
        switch entry {
        case .granted(let lease, let worker):
            self.entries[lease.key]?.holder = worker
            self.entries[lease.key]?.token = lease.token
        case .released(let lease):
            if self.entries[lease.key]?.token == lease.token { self.dropLease(lease.key) }
        case .checkpoints(let key, let checkpoints, let failures):
            self.entries[key]?.checkpoints = checkpoints
            self.entries[key]?.failures = failures
        case .failed(let key, let failures, let verdict):
            self.entries[key]?.failures = failures
            self.entries[key]?.givenUp = GivenUp(verdict)
            if verdict != .retry { self.dropLease(key) }
        case .finished(let lease, _, _, let checkpoints):
            self.entries[lease.key]?.isDone = true
            self.entries[lease.key]?.givenUp = nil
            self.entries[lease.key]?.checkpoints = checkpoints
            self.dropLease(lease.key)
        case .retried(let key):
            self.entries[key]?.failures = Coordinator.Failures()
            self.entries[key]?.givenUp = nil
        case .sweep: break
        }
    }

    func applying(_ entries: [Coordinator.JournalEntry]) -> StoreModel {
        var result = self
        for entry in entries { result.apply(entry) }
        return result
    }

    func banning(_ worker: WorkerName, _ isBanned: Bool = true) -> StoreModel {
        var result = self
        if isBanned { result.banned.insert(worker) } else { result.banned.remove(worker) }
        return result
    }

    private mutating func dropLease(_ key: ShardKey) {
        self.entries[key]?.holder = nil
        self.entries[key]?.token = nil
    }

    /// The shards as the store must give them to a coordinator.
    var knownShards: [Coordinator.KnownShard] {
        self.order.map { key in
            let entry = self.entries[key] ?? Entry()
            let state: Coordinator.KnownShard.State
            if entry.isDone {
                state = .done
            } else if let givenUp = entry.givenUp {
                state = givenUp == .failed ? .failed : .quarantined
            } else if let token = entry.token, let holder = entry.holder {
                state = .leased(token, to: holder)
            } else {
                state = .open
            }
            return .init(
                key: key,
                state: state,
                checkpoints: entry.checkpoints,
                failures: entry.failures,
                cell: SimulatedSweep.cell
            )
        }
    }

    /// Whether a store holds just this.
    func matches(_ store: Store) throws(StoreError) -> Bool {
        guard try store.knownShards(of: SimulatedSweep.name) == self.knownShards else { return false }
        guard try Set(store.workers().filter { $0.state == .banned }.map(\.name)) == self.banned else { return false }
        return try store.referredBlobs() == self.blobs
    }
}

/// The sweeps that a simulated coordinator works on: one grid with more and more seeds.
struct SimulatedSweep: Sendable {
    static let name = "simulated"

    let sweep: StoredSweep
    let shards: [Shard]
    let keys: [ShardKey]

    static let shardsLimit = 10

    /// All its shards are of one.
    static let cell = all[0].shards[0].cellDigest

    /// By their number of shards less one.
    static let all = (1...shardsLimit).map(SimulatedSweep.init(count:))

    private init(count: Int) {
        let grid = """
            sweep: \(Self.name)
            backbone: tiny
            tasks: [rte]
            methods: [full]
            seeds: \(count)
            """
        self.sweep = StoredSweep(name: Self.name, definition: grid, launchedSeconds: 1)
        do {
            self.shards = try SweepDefinition(yaml: grid, file: Self.name).shards().map { planned in
                try planned.shard(backbone: SHA256.hash("backbone"), data: SHA256.hash("data"))
            }
        } catch {
            preconditionFailure("the simulated grid is wrong: \(error)")
        }
        self.keys = self.shards.map(\.key)
    }

    /// What a trainer's steps come to: a function of the shard and of every step so far.
    static func state(after state: UInt64, step: Int, of key: ShardKey) -> UInt64 {
        let shard = key.bytes.prefix(8).reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
        var mixer = SeededGenerator(seed: state ^ shard &+ UInt64(step))
        return mixer.next()
    }

    /// The result of an attempt that nothing interrupted.
    static func result(of key: ShardKey, steps: Int) -> ShardResult {
        self.result(of: key, state: (1...steps).reduce(0) { self.state(after: $0, step: $1, of: key) })
    }

    static func result(of key: ShardKey, state: UInt64) -> ShardResult {
        let scored = Evaluation(
            split: "validation",
            step: 10,
            epoch: 1,
            loss: 0.1 + 0.2,
            metrics: [.accuracy: 1.0 / 3],
            runtimeSeconds: 1,
            samples: 10,
            steps: 1
        )
        return ShardResult(
            key: key,
            task: "rte",
            method: "full",
            seed: 0,
            splitProtocol: .fullDev,
            scored: scored,
            evaluations: [scored],
            trainingLoss: 0.5,
            steps: 10,
            epochs: 1,
            scoredStep: 10,
            runtimeSeconds: 1,
            samplesPerSecond: 10,
            stepsPerSecond: 1,
            peakMemoryBytes: 1,
            trainableParametersInitial: 1,
            trainableParametersFinal: 1,
            headParameters: 1,
            parametersDigest: SHA256.hash("\(key) \(state)"),
            environment: Environment(
                processor: "simulated",
                kernelClass: "simulated",
                threads: 1,
                operatingSystem: "none",
                version: "0"
            )
        )
    }

    /// A checkpoint's bytes; the first eight are the state.
    static func content(
        _ kind: TrainerEvent.Checkpointed.Kind,
        step: Int,
        of key: ShardKey,
        state: UInt64,
        bytes: Int
    ) -> [UInt8] {
        var content = withUnsafeBytes(of: state.littleEndian) { Array($0) }
        content += "\(kind) \(step) \(key)".utf8
        var filler = SeededGenerator(seed: state)
        while content.count < bytes {
            withUnsafeBytes(of: filler.next().littleEndian) { content.append(contentsOf: $0) }
        }
        return content
    }

    static func state(in content: [UInt8]) -> UInt64 {
        content.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    static func checkpoint(
        _ kind: TrainerEvent.Checkpointed.Kind,
        step: Int,
        _ content: [UInt8]
    ) -> TrainerEvent.Checkpointed {
        let digest = SHA256.hash(content)
        return TrainerEvent.Checkpointed(
            kind: kind,
            step: step,
            file: "\(kind)-\(step)",
            bytes: content.count,
            digest: digest,
            rawDigest: digest
        )
    }
}

extension Coordinator.KnownShard {
    var isGivenUp: Bool { self.state == .failed || self.state == .quarantined }
}
