public import Coordination
public import Sweeps
public import Wire

/// A sweep with all that the store must know of it.
public struct SweepPlan: Sendable {
    public var sweep: StoredSweep
    /// In the grid's order.
    public var shards: [Shard]
    /// What each of them asks of a worker.
    public var needs: [Needs]
    /// What the shards' digests stand for.
    public var folders: [StoredFolder]
    /// What the grid says of the sweep's terms; what it leaves open stays as it was.
    public var change: SweepChange

    public init(
        sweep: StoredSweep,
        shards: [Shard],
        needs: [Needs],
        folders: [StoredFolder],
        change: SweepChange
    ) {
        self.sweep = sweep
        self.shards = shards
        self.needs = needs
        self.folders = folders
        self.change = change
    }

    /// Stores the sweep, on the terms that come of the grid's and of those before.
    public mutating func submit(to store: Store) throws(StoreError) -> Submission {
        let before = try store.sweeps().first { $0.name == self.sweep.name }?.terms
        do {
            self.sweep.terms = try self.change.applied(to: before ?? self.sweep.terms)
        } catch {
            throw StoreError("\(error)")
        }
        return try store.submit(self.sweep, shards: self.shards, needs: self.needs, folders: self.folders)
    }
}
