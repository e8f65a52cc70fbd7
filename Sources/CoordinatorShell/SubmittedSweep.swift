internal import Coordination
internal import Sweeps

/// A sweep as the loop takes it in.
struct SubmittedSweep: Sendable {
    var terms: SweepTerms
    var shards: [Coordinator.KnownShard]
    /// For people.
    var names: [ShardKey: String]
    var checkpointSeconds: [ShardKey: Double]

    init(_ sweep: StoredSweep, in store: Store) throws(StoreError) {
        let shards = try store.shards(of: sweep)
        self.terms = sweep.terms
        self.shards = try store.knownShards(of: sweep.name)
        self.names = Dictionary(shards.map { ($0.key, $0.planned.name) }) { first, _ in first }
        let seconds = shards.map { ($0.key, ResolvedSettings($0.planned.settings).number("checkpointSeconds")) }
        self.checkpointSeconds = Dictionary(seconds) { first, _ in first }
    }
}
