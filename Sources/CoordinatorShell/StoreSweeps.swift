public import Coordination
public import Digests
internal import Foundation
internal import GRDB
public import Sweeps
public import Wire

/// A sweep as it was launched.
public struct StoredSweep: Hashable, Sendable {
    public var name: String
    /// The grid file's text.
    public var definition: String
    /// Seconds since 1970.
    public var launchedSeconds: Int64

    public init(name: String, definition: String, launchedSeconds: Int64) {
        self.name = name
        self.definition = definition
        self.launchedSeconds = launchedSeconds
    }

    /// The grid, read again.
    public func grid() throws(SweepFileError) -> SweepDefinition {
        try SweepDefinition(yaml: self.definition, file: "sweep \(self.name)")
    }
}

/// A folder whose files workers may fetch.
public struct StoredFolder: Hashable, Sendable {
    public var path: String
    public var manifest: FolderManifest

    public init(path: String, manifest: FolderManifest) {
        self.path = path
        self.manifest = manifest
    }
}

/// A shard of a sweep and what is known of it.
public struct SweepShard: Hashable, Sendable {
    public var planned: PlannedShard
    public var key: ShardKey
    public var result: ShardResult?
    /// Given up, until somebody retries it.
    public var isFailed: Bool
    public var failures: Coordinator.Failures?
    public var checkpoints: Checkpoints?
    /// The worker that has it, as far as the store knows.
    public var worker: WorkerName?
}

/// How a launched sweep stands to what was there before.
public enum Submission: Hashable, Sendable {
    case new
    /// The same shards in the same places.
    case unchanged
    /// The sweep had other shards.
    case replaced
}

extension Store {
    /// Stores a sweep with its shards in one transaction. Shards that are there keep what they have.
    ///
    /// - Parameters:
    ///   - shards: in the grid's order.
    ///   - folders: what the shards' digests stand for.
    public func submit(
        _ sweep: StoredSweep,
        shards: [Shard],
        folders: [StoredFolder]
    ) throws(StoreError) -> Submission {
        try self.write { database in
            for folder in folders {
                try database.execute(
                    sql: "INSERT OR REPLACE INTO folder VALUES (?, ?, ?)",
                    arguments: [folder.manifest.digest.description, folder.path, folder.manifest.written]
                )
            }
            let keys = shards.map(\.key.description)
            let before = try String.fetchAll(
                database,
                sql: "SELECT key FROM place WHERE sweep = ? ORDER BY position",
                arguments: [sweep.name]
            )
            try database.execute(
                sql: "INSERT OR REPLACE INTO sweep VALUES (?, ?, ?)",
                arguments: [sweep.name, sweep.definition, sweep.launchedSeconds]
            )
            guard before != keys else { return .unchanged }
            try database.execute(sql: "DELETE FROM place WHERE sweep = ?", arguments: [sweep.name])
            for (position, (key, shard)) in zip(keys, shards).enumerated() {
                try database.execute(
                    sql: "INSERT OR IGNORE INTO shard (key, shard) VALUES (?, ?)",
                    arguments: [key, try encoded(shard)]
                )
                try database.execute(sql: "INSERT INTO place VALUES (?, ?, ?)", arguments: [sweep.name, position, key])
            }
            return before.isEmpty ? .new : .replaced
        }
    }

    /// Gives the failed shards of a sweep all their tries again; only while no coordinator runs.
    ///
    /// - Returns: how many there were.
    public func retryFailed(of sweep: String) throws(StoreError) -> Int {
        let failed = try self.knownShards(of: sweep).filter { $0.state == .failed }
        try self.apply(failed.map { .retried($0.key) })
        return failed.count
    }

    /// All sweeps, the one launched last first.
    public func sweeps() throws(StoreError) -> [StoredSweep] {
        try self.read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM sweep ORDER BY launchedSeconds DESC, name").map { row in
                StoredSweep(name: row["name"], definition: row["definition"], launchedSeconds: row["launchedSeconds"])
            }
        }
    }

    /// The sweep of that name, or without a name the one that was launched last.
    ///
    /// - Throws: ``StoreError`` with the names that there are.
    public func sweep(named name: String?) throws(StoreError) -> StoredSweep {
        let sweeps = try self.sweeps()
        guard let name else {
            guard let last = sweeps.first else { throw StoreError("there is no sweep yet; quintet launch makes one") }
            return last
        }
        if let sweep = sweeps.first(where: { $0.name == name }) { return sweep }
        throw StoreError("\(UnknownName(kind: "sweep", name: name, known: sweeps.map(\.name)))")
    }

    /// Every shard of a sweep in the grid's order, with what is known of it.
    public func shards(of sweep: StoredSweep) throws(StoreError) -> [SweepShard] {
        let sql = """
            SELECT place.key, result.result, shard.isFailed, shard.failures, shard.checkpoints, lease.worker
            FROM place JOIN shard USING (key) LEFT JOIN result USING (key) LEFT JOIN lease USING (key)
            WHERE sweep = ? ORDER BY position
            """
        return try self.read { database in
            let planned = try sweep.grid().shards()
            let rows = try Row.fetchAll(database, sql: sql, arguments: [sweep.name])
            guard planned.count == rows.count else {
                throw StoreError(
                    "sweep \(sweep.name) has \(rows.count) stored shards and its grid \(planned.count): this version "
                        + "of quintet reads the grid in another way; launch it again"
                )
            }
            return try zip(planned, rows).map { planned, row in
                SweepShard(
                    planned: planned,
                    key: Digest(row["key"] as String) ?? SHA256.hash(""),
                    result: try (row["result"] as String?).map { try decoded($0) },
                    isFailed: row["isFailed"],
                    failures: try (row["failures"] as String?).map { try decoded($0) },
                    checkpoints: try (row["checkpoints"] as String?).map { try decoded($0) },
                    worker: row["worker"]
                )
            }
        }
    }

    /// The shard of a key; `nil` for one that no sweep ever had.
    public func shard(_ key: ShardKey) throws(StoreError) -> Shard? {
        try self.read { database in
            try String.fetchOne(database, sql: "SELECT shard FROM shard WHERE key = ?", arguments: [key.description])
                .map { try decoded($0) }
        }
    }

    /// The folders that the shards of a sweep need.
    public func folders(of sweep: String) throws(StoreError) -> [StoredFolder] {
        let sql = "SELECT shard FROM shard WHERE key IN (SELECT key FROM place WHERE sweep = ?)"
        return try self.read { database in
            let shards: [Shard] = try String.fetchAll(database, sql: sql, arguments: [sweep]).map { try decoded($0) }
            let digests = Set(shards.flatMap { [$0.backbone, $0.data] }).sorted()
            return try digests.map { digest in
                guard
                    let row = try Row.fetchOne(
                        database,
                        sql: "SELECT * FROM folder WHERE digest = ?",
                        arguments: [digest.description]
                    )
                else {
                    throw StoreError("the store does not say where folder \(digest.short) lies; launch the sweep again")
                }
                let manifest = try FolderManifest(written: Array((row["manifest"] as String).utf8))
                return StoredFolder(path: row["path"], manifest: manifest)
            }
        }
    }
}
