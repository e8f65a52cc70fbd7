import Coordination
import Digests
import Sweeps
import TestSupport

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
