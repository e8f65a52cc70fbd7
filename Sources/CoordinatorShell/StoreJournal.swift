public import Coordination
public import Digests
internal import Foundation
internal import GRDB
internal import Sweeps

// What the pure coordinator wants to be durable.
extension Store {
    /// Starts an epoch that is higher than all before.
    public func beginEpoch() throws(StoreError) -> UInt64 {
        try self.write { database in
            try database.execute(
                sql: "INSERT INTO counter VALUES ('epoch', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1"
            )
            return UInt64(try Int64.fetchOne(database, sql: "SELECT value FROM counter WHERE name = 'epoch'") ?? 1)
        }
    }

    /// The next epoch is higher than any that may have begun in commits that are lost.
    func skipEpochs() throws(StoreError) {
        let sql = """
            INSERT INTO counter VALUES ('epoch', 1000000) ON CONFLICT (name) DO UPDATE SET value = value + 1000000
            """
        try self.write { try $0.execute(sql: sql) }
    }

    /// Writes all entries in one durable transaction, or none.
    ///
    /// - Parameter resultTexts: results as JSON that has been read before, by their leases; others are written anew.
    public func apply(
        _ entries: [Coordinator.JournalEntry],
        resultTexts: [LeaseToken: String] = [:]
    ) throws(StoreError) {
        guard let gist = entries.last(where: \.isUrgent) ?? entries.last else { return }
        try self.write(as: "\(gist)") { database in
            for entry in entries { try Self.apply(entry, resultTexts, database) }
        }
    }

    private static func apply(
        _ entry: Coordinator.JournalEntry,
        _ resultTexts: [LeaseToken: String],
        _ database: Database
    ) throws {
        switch entry {
        case .granted(let lease, let worker):
            try database.run(
                "INSERT OR REPLACE INTO lease VALUES (?, ?, ?)",
                [lease.key.description, lease.token.description, worker]
            )
        case .released(let lease):
            try database.run(
                "DELETE FROM lease WHERE key = ? AND token = ?",
                [lease.key.description, lease.token.description]
            )
        case .checkpoints(let key, let checkpoints, let failures):
            try self.keep(checkpoints, of: key, database)
            try database.run(
                "UPDATE shard SET failures = ? WHERE key = ?",
                [failures == Coordinator.Failures() ? nil : try encoded(failures), key.description]
            )
        case .failed(let key, let failures, let verdict):
            try database.run(
                "UPDATE shard SET failures = ?, givenUp = ? WHERE key = ?",
                [try encoded(failures), GivenUp(verdict)?.rawValue, key.description]
            )
            // A lease that has ended is released before; a shard that is tried again may have a twin that runs on.
            if verdict != .retry { try self.dropLease(of: key, database) }
        case .finished(let lease, let worker, let result, let checkpoints):
            // A second result for a key is a bug of the coordinator's: the primary key stops it.
            try database.run(
                "INSERT INTO result VALUES (?, ?, ?, ?)",
                [
                    lease.key.description, try resultTexts[lease.token] ?? encoded(result), worker,
                    lease.token.description,
                ]
            )
            try self.keep(checkpoints, of: lease.key, isDone: true, database)
            try self.dropLease(of: lease.key, database)
        case .retried(let key):
            try database.run("UPDATE shard SET failures = NULL, givenUp = NULL WHERE key = ?", [key.description])
        case .sweep(let terms):
            try database.run("UPDATE sweep SET terms = ? WHERE name = ?", [try encoded(terms), terms.name])
        }
    }

    private static func dropLease(of key: ShardKey, _ database: Database) throws {
        try database.run("DELETE FROM lease WHERE key = ?", [key.description])
    }

    /// A row is written anew, with its checksum, only where it changes.
    private static func keep(
        _ checkpoints: Checkpoints,
        of key: ShardKey,
        isDone: Bool = false,
        _ database: Database
    ) throws {
        try database.run(
            """
            UPDATE shard SET checkpoints = ?1, givenUp = iif(?3, NULL, givenUp)
            WHERE key = ?2 AND (checkpoints IS NOT ?1 OR ?3 AND givenUp IS NOT NULL)
            """,
            [checkpoints == Checkpoints() ? nil : try encoded(checkpoints), key.description, isDone]
        )
        guard database.changesCount > 0 else { return }
        try database.run("DELETE FROM blob WHERE key = ?", [key.description])
        for digest in checkpoints.blobs.sorted() {
            try database.run("INSERT INTO blob VALUES (?, ?)", [key.description, digest.description])
        }
    }

    /// Whether any shard keeps this blob.
    public func refers(to blob: Digest) throws(StoreError) -> Bool {
        try self.read {
            try Bool.fetchOne(
                $0,
                sql: "SELECT EXISTS (SELECT 1 FROM blob WHERE digest = ?)",
                arguments: [blob.description]
            )
                ?? false
        }
    }

    /// All blobs that shards keep.
    public func referredBlobs() throws(StoreError) -> Set<Digest> {
        try self.read { database in
            Set(try String.fetchAll(database, sql: "SELECT DISTINCT digest FROM blob").compactMap(Digest.init))
        }
    }

    /// A sweep's shards as the pure coordinator takes them, in the grid's order.
    public func knownShards(of sweep: String) throws(StoreError) -> [Coordinator.KnownShard] {
        let sql = """
            SELECT place.key, shard.cell, shard.needs, shard.givenUp, shard.failures, shard.checkpoints,
                lease.token, lease.worker,
                EXISTS (SELECT 1 FROM result WHERE result.key = place.key) AS isDone
            FROM place JOIN shard USING (key) LEFT JOIN lease USING (key)
            WHERE sweep = ? ORDER BY position
            """
        return try self.read { database in
            // Most shards need the same.
            var needs: [String: Needs] = [:]
            let rows = try Row.fetchCursor(database, sql: sql, arguments: [sweep])
            var known: [Coordinator.KnownShard] = []
            while let row = try rows.next() {
                let text: String = row["needs"]
                let its = try needs[text] ?? decoded(text)
                needs[text] = its
                known.append(try Self.knownShard(row, needs: its))
            }
            return known
        }
    }

    private static func knownShard(_ row: Row, needs: Needs) throws -> Coordinator.KnownShard {
        let text: String = row["key"]
        guard let key = Digest(text) else { throw StoreError("\"\(text)\" is no shard key: the store is damaged") }
        let state: Coordinator.KnownShard.State
        if row["isDone"] {
            state = .done
        } else if let givenUp = (row["givenUp"] as String?).flatMap(GivenUp.init) {
            state = givenUp == .failed ? .failed : .quarantined
        } else if let token = (row["token"] as String?).flatMap(LeaseToken.init) {
            state = .leased(token, to: row["worker"])
        } else {
            state = .open
        }
        let failures: Coordinator.Failures? = try (row["failures"] as String?).map { try decoded($0) }
        let checkpoints: Checkpoints? = try (row["checkpoints"] as String?).map { try decoded($0) }
        return Coordinator.KnownShard(
            key: key,
            state: state,
            checkpoints: checkpoints ?? Checkpoints(),
            failures: failures ?? Coordinator.Failures(),
            needs: needs,
            cell: Digest(row["cell"] as String)
        )
    }
}

/// Why nothing more is tried for a shard until a person wants it.
public enum GivenUp: String, Hashable, Sendable {
    case failed
    case quarantined

    public init?(_ verdict: Coordinator.Verdict) {
        switch verdict {
        case .retry: return nil
        case .failed: self = .failed
        case .quarantined: self = .quarantined
        }
    }
}
