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
    public var terms: SweepTerms

    public init(name: String, definition: String, launchedSeconds: Int64, terms: SweepTerms? = nil) {
        self.name = name
        self.definition = definition
        self.launchedSeconds = launchedSeconds
        self.terms = terms ?? SweepTerms(name: name)
    }

    /// The grid, read again.
    public func grid() throws(SweepFileError) -> SweepDefinition {
        try SweepDefinition(yaml: self.definition, file: "sweep \(self.name)")
    }

    /// The grid's shards in its order, of which the store has so many.
    func planned(stored count: Int) throws(StoreError) -> [PlannedShard] {
        let planned: [PlannedShard]
        do { planned = try self.grid().shards() } catch { throw StoreError("\(error)") }
        guard planned.count == count else {
            throw StoreError(
                "sweep \(self.name) has \(count) stored shards and its grid \(planned.count): this version of quintet "
                    + "reads the grid in another way; launch it again"
            )
        }
        return planned
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
    /// Why it was given up, until somebody retries it.
    public var givenUp: GivenUp?
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
    ///   - needs: what each of them asks of a worker from now on; nothing where it is missing.
    ///   - folders: what the shards' digests stand for.
    public func submit(
        _ sweep: StoredSweep,
        shards: [Shard],
        needs: [Needs] = [],
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
                sql: "INSERT OR REPLACE INTO sweep VALUES (?, ?, ?, ?)",
                arguments: [sweep.name, sweep.definition, sweep.launchedSeconds, try encoded(sweep.terms)]
            )
            let written = try (needs.isEmpty ? shards.map { _ in Needs() } : needs).map { try encoded($0) }
            if before != keys {
                try database.execute(sql: "DELETE FROM place WHERE sweep = ?", arguments: [sweep.name])
                for (position, (key, shard)) in zip(keys, shards).enumerated() {
                    try database.execute(
                        sql: "INSERT OR IGNORE INTO shard (key, shard, cell, needs) VALUES (?, ?, ?, ?)",
                        arguments: [key, try encoded(shard), shard.cellDigest.description, written[position]]
                    )
                    let place: StatementArguments = [sweep.name, position, key]
                    try database.execute(sql: "INSERT INTO place VALUES (?, ?, ?)", arguments: place)
                }
            }
            for (key, needs) in zip(keys, written) {
                let sql = "UPDATE shard SET needs = ? WHERE key = ? AND needs IS NOT ?"
                try database.execute(sql: sql, arguments: [needs, key, needs])
            }
            if before == keys { return .unchanged }
            return before.isEmpty ? .new : .replaced
        }
    }

    /// Gives shards of a sweep that were given up all their tries again; only while no coordinator runs.
    ///
    /// - Returns: how many there were.
    public func retry(_ kinds: Set<GivenUp>, of sweep: String) throws(StoreError) -> Int {
        let givenUp = try self.givenUp(kinds, of: sweep)
        try self.apply(givenUp.map { .retried($0) })
        return givenUp.count
    }

    /// The shards of a sweep that were given up in one of these ways.
    func givenUp(
        _ kinds: Set<GivenUp> = [.failed, .quarantined],
        of sweep: String
    ) throws(StoreError) -> [ShardKey] {
        try self.knownShards(of: sweep).filter { shard in
            shard.state == .failed && kinds.contains(.failed)
                || shard.state == .quarantined && kinds.contains(.quarantined)
        }.map(\.key)
    }

    /// All sweeps, the one launched last first.
    public func sweeps() throws(StoreError) -> [StoredSweep] {
        try self.read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM sweep ORDER BY launchedSeconds DESC, name").map { row in
                StoredSweep(
                    name: row["name"],
                    definition: row["definition"],
                    launchedSeconds: row["launchedSeconds"],
                    terms: try decoded(row["terms"])
                )
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
            SELECT place.key, result.result, shard.givenUp, shard.failures, shard.checkpoints, lease.worker
            FROM place JOIN shard USING (key) LEFT JOIN result USING (key) LEFT JOIN lease USING (key)
            WHERE sweep = ? ORDER BY position
            """
        return try self.read { database in
            let rows = try Row.fetchAll(database, sql: sql, arguments: [sweep.name])
            return try zip(sweep.planned(stored: rows.count), rows).map { planned, row in
                SweepShard(
                    planned: planned,
                    key: Digest(row["key"] as String) ?? SHA256.hash(""),
                    result: try (row["result"] as String?).map { try decoded($0) },
                    givenUp: (row["givenUp"] as String?).flatMap(GivenUp.init),
                    failures: try (row["failures"] as String?).map { try decoded($0) },
                    checkpoints: try (row["checkpoints"] as String?).map { try decoded($0) },
                    worker: row["worker"]
                )
            }
        }
    }

    /// A shard's result, by whom it was reported and under which token; `nil` where there is none.
    public func result(
        of key: ShardKey
    ) throws(StoreError) -> (result: ShardResult, worker: WorkerName, token: LeaseToken?)? {
        try self.read { database in
            let sql = "SELECT result, worker, token FROM result WHERE key = ?"
            return try Row.fetchOne(database, sql: sql, arguments: [key.description]).map { row in
                (try decoded(row["result"]), row["worker"], LeaseToken(row["token"] as String))
            }
        }
    }

    /// The shard of a key; `nil` for one that no sweep ever had.
    public func shard(_ key: ShardKey) throws(StoreError) -> Shard? {
        guard let text = try self.shardTexts([key])[key]?.text else { return nil }
        return try storing(self.path) { try decoded(text) }
    }

    /// The shards of those of these keys that any sweep ever had.
    func shardTexts(_ keys: some Sequence<ShardKey>) throws(StoreError) -> [ShardKey: ShardText] {
        try self.read { database in
            let statement = try database.cachedStatement(sql: "SELECT shard FROM shard WHERE key = ?")
            return try keys.reduce(into: [:]) { texts, key in
                let text = try String.fetchOne(statement, arguments: [key.description])
                texts[key] = text.map(ShardText.init(text:))
            }
        }
    }

    /// Shards of a task, method and seed that have results, of any sweep.
    public func finishedShards(task: String, method: String, seed: Int) throws(StoreError) -> [Shard] {
        let sql = """
            SELECT shard FROM shard JOIN result USING (key)
            WHERE shard ->> 'task' = ? AND shard ->> 'method' = ? AND shard ->> 'seed' = ? ORDER BY key
            """
        return try self.read { database in
            try String.fetchAll(database, sql: sql, arguments: [task, method, seed]).map { try decoded($0) }
        }
    }

    /// The folders that the shards of a sweep need.
    public func folders(of sweep: String) throws(StoreError) -> [StoredFolder] {
        // One shard of each cell: to read a hundred thousand of them takes seconds.
        let sql = """
            SELECT DISTINCT json_extract(shard, '$.backbone'), json_extract(shard, '$.data')
            FROM (SELECT shard FROM place JOIN shard USING (key) WHERE sweep = ? GROUP BY cell)
            """
        return try self.read { database in
            let pairs = try Row.fetchAll(database, sql: sql, arguments: [sweep])
            let named: [String?] = pairs.flatMap { [$0[0], $0[1]] }
            let digests = try Set(
                named.map { text in
                    guard let digest = text.flatMap(Digest.init) else {
                        throw StoreError("a shard of \(sweep) names no folder: the store is damaged")
                    }
                    return digest
                }
            ).sorted()
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
