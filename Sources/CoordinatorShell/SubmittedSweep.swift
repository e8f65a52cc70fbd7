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
        self.terms = sweep.terms
        self.shards = try store.knownShards(of: sweep.name)
        let shards = zip(self.shards.map(\.key), try sweep.planned(stored: self.shards.count))
        self.names = Dictionary(shards.map { ($0, $1.name) }) { first, _ in first }
        let seconds = shards.map { ($0, ResolvedSettings($1.settings).number("checkpointSeconds")) }
        self.checkpointSeconds = Dictionary(seconds) { first, _ in first }
    }
}
