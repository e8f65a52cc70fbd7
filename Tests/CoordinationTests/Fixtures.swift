import Coordination
import Digests
import Sweeps
import TestSupport

/// SplitMix64: the seed is a run's only identity.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { self.state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 0x1234_5678_9ABC_DEF1 }

    mutating func next() -> UInt64 {
        self.state &+= 0x9E37_79B9_7F4A_7C15
        var bits = (self.state ^ (self.state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
        return bits ^ (bits >> 31)
    }

    mutating func chance(_ probability: Double) -> Bool { Double.random(in: 0..<1, using: &self) < probability }
}

func shardKey(_ index: Int) -> ShardKey { SHA256.hash("shard \(index)") }

func checkpoint(_ kind: TrainerEvent.Checkpointed.Kind, step: Int, of key: ShardKey) -> TrainerEvent.Checkpointed {
    let digest = SHA256.hash("\(key) \(kind) \(step)")
    return TrainerEvent.Checkpointed(
        kind: kind,
        step: step,
        file: "\(kind)-\(step)",
        bytes: 1000,
        digest: digest,
        rawDigest: digest
    )
}

/// A result that is a function of the shard alone, as a trainer's is.
func shardResult(_ key: ShardKey) -> ShardResult {
    exampleResult(key: key)
}

func failure(
    _ cause: AttemptFailure.Cause = .experiment,
    _ kind: FailureKind = .other,
    _ message: String = "it failed"
) -> AttemptFailure {
    AttemptFailure(cause: cause, kind: kind, message: message)
}

func at(_ seconds: Int) -> Instant { Instant(milliseconds: Int64(seconds) * 1000) }

extension Coordinator.Event {
    /// Shards of the one sweep that most tests have.
    static func submitted(_ shards: [Coordinator.KnownShard]) -> Self {
        .submitted(SweepTerms(name: "sweep"), shards)
    }

    /// A worker of which nothing but its slots matters.
    static func workerJoined(_ worker: WorkerName, slots: Int, holding: [Lease]) -> Self {
        .workerJoined(worker, Capacity(slots: slots), holding: holding)
    }
}

extension [Coordinator.Directive] {
    /// What was granted.
    var grants: [Lease] {
        self.compactMap { if case .grant(let lease, _, _) = $0 { lease } else { nil } }
    }

    var entries: [Coordinator.JournalEntry] {
        self.compactMap { if case .record(let entry) = $0 { entry } else { nil } }
    }

    var results: Int {
        self.entries.count { if case .finished = $0 { true } else { false } }
    }
}
