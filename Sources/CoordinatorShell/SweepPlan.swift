public import Coordination
public import Sweeps

/// A sweep with all that the store must know of it.
public struct SweepPlan: Sendable {
    public var sweep: StoredSweep
    /// In the grid's order.
    public var shards: [Shard]
    /// What each of them asks of a worker.
    public var needs: [Needs]
    /// What the shards' digests stand for.
    public var folders: [StoredFolder]

    public init(sweep: StoredSweep, shards: [Shard], needs: [Needs], folders: [StoredFolder]) {
        self.sweep = sweep
        self.shards = shards
        self.needs = needs
        self.folders = folders
    }

    public func submit(to store: Store) throws(StoreError) -> Submission {
        try store.submit(self.sweep, shards: self.shards, needs: self.needs, folders: self.folders)
    }
}
