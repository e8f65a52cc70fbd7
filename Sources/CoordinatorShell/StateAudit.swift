internal import Coordination
public import Digests
internal import Files
internal import Foundation
internal import GRDB
public import Sweeps
public import Wire

/// Whether what the store says is there is there, and is what it was. Only while no coordinator runs.
public struct StateAudit: Sendable {
    private let store: Store
    private let blobs: BlobStore

    public init(store: Store, blobs: BlobStore) {
        self.store = store
        self.blobs = blobs
    }

    /// Something that is not as it should be.
    public enum Finding: Hashable, Sendable, CustomStringConvertible {
        /// The store's log, as it was found when the store was opened.
        case log(String)
        /// SQLite's own check of the file's structure.
        case structure(String)
        /// A row whose checksum differs.
        case row(DamagedRow)
        /// A result that cannot be read, or stands under another key.
        case result(ShardKey, String)
        case missingBlob(Digest, of: ShardKey)
        case damagedBlob(Digest, of: ShardKey)

        public var description: String {
            switch self {
            case .log(let text): "the store's log: \(text)"
            case .structure(let text): "the store: \(text)"
            case .row(let row): "the store: \(row)"
            case .result(let key, let reason): "the result of shard \(key.short): \(reason)"
            case .missingBlob(let digest, let key): "checkpoint \(digest.short) of shard \(key.short) is missing"
            case .damagedBlob(let digest, let key):
                "checkpoint \(digest.short) of shard \(key.short) is not what its digest says"
            }
        }

        /// What a repair does about it; `nil` where nothing can be done from here.
        public var remedy: String? {
            switch self {
            case .log: "what stood there is forgotten, and runs again"
            case .row(let row) where row.table == "result": "the shard runs again"
            case .row(let row) where row.table == "lease": "the lease is forgotten"
            case .row(let row) where row.table == "shard": "its failures and checkpoints are forgotten"
            case .structure, .row: nil
            case .result: "the shard runs again"
            case .missingBlob, .damagedBlob: "the checkpoint is forgotten; a shard without a result begins anew"
            }
        }
    }

    /// Reads everything once.
    public func findings() throws -> [Finding] {
        let rows = try self.store.damagedRows()
        // What stands in damaged rows is not looked at any further.
        let names = Set(rows.map(\.key))
        let results = try self.results().filter { finding in
            if case .result(let key, _) = finding { !names.contains(key.description) } else { true }
        }
        let log = self.store.logDamage.map { [Finding.log("\($0)")] } ?? []
        return try log + self.structure() + rows.map(Finding.row) + results + self.checkpoints()
    }

    private func structure() throws -> [Finding] {
        try self.store.read { database in
            let check = try String.fetchAll(database, sql: "PRAGMA integrity_check(100)").filter { $0 != "ok" }
            let references = try Row.fetchAll(database, sql: "PRAGMA foreign_key_check").map { row in
                "a row of \(row[0] as String) refers to one of \(row[2] as String) that is not there"
            }
            return (check + references).map(Finding.structure)
        }
    }

    private func results() throws -> [Finding] {
        try self.store.read { database in
            try Row.fetchAll(database, sql: "SELECT key, result FROM result ORDER BY key").compactMap { row in
                let text: String = row["key"]
                guard let key = Digest(text) else { return .structure("\"\(text)\" is no shard key") }
                do {
                    let result: ShardResult = try decoded(row["result"])
                    return result.key == key ? nil : .result(key, "it is that of shard \(result.key.short)")
                } catch {
                    return .result(key, "it cannot be read")
                }
            }
        }
    }

    private func checkpoints() throws -> [Finding] {
        let owned = try self.store.read { database in
            try Row.fetchAll(database, sql: "SELECT digest, key FROM blob ORDER BY digest, key").compactMap { row in
                Digest(row["digest"] as String).flatMap { blob in Digest(row["key"] as String).map { (blob, $0) } }
            }
        }
        return try owned.compactMap { blob, key in
            guard self.blobs.contains(blob) else { return .missingBlob(blob, of: key) }
            return try SHA256.hash(file: self.blobs.path(of: blob)) == blob ? nil : .damagedBlob(blob, of: key)
        }
    }

    /// Does what can be done about a finding.
    public func repair(_ finding: Finding) throws {
        switch finding {
        // A log is mended, or not, when the store is opened.
        case .log, .structure: break
        case .row(let row): try self.store.repair(row)
        case .result(let key, _): try self.store.forgetResult(of: key)
        case .missingBlob(let blob, let key): try self.store.forget(blob, of: key)
        case .damagedBlob(let blob, let key):
            self.blobs.remove(blob)
            try self.store.forget(blob, of: key)
        }
    }

    /// Removes blobs that no shard keeps, what came of uploads that nobody has gone on with for a day, and copies of the
    /// store whose readers have died.
    ///
    /// - Returns: how many blobs there were, and their bytes.
    public func collectGarbage() throws -> (blobs: Int, bytes: Int) {
        self.store.removeCopies()
        let kept = try self.store.referredBlobs()
        let bytes = try self.blobs.all().filter { !kept.contains($0) }.reduce(0) { sum, blob in
            let attributes = try? FileManager.default.attributesOfItem(atPath: self.blobs.path(of: blob))
            return sum + ((attributes?[.size] as? Int) ?? 0)
        }
        return (try self.blobs.removeAll(except: kept), bytes)
    }
}

extension Store {
    /// The shard is as if it had never been finished; its checkpoints stay.
    fileprivate func forgetResult(of key: ShardKey) throws(StoreError) {
        try self.write { try $0.execute(sql: "DELETE FROM result WHERE key = ?", arguments: [key.description]) }
    }

    /// Takes out of a damaged row what cannot be trusted. A shard is what its key says, or stays as it is.
    fileprivate func repair(_ row: DamagedRow) throws(StoreError) {
        try self.write { database in
            switch row.table {
            case "result", "lease":
                try database.execute(sql: "DELETE FROM \(row.table) WHERE key = ?", arguments: [row.key])
            case "shard":
                let text = try String.fetchOne(
                    database,
                    sql: "SELECT shard FROM shard WHERE key = ?",
                    arguments: [row.key]
                )
                guard let shard: Shard = try? text.map({ try decoded($0) }), shard.key.description == row.key else {
                    throw StoreError("\(row), beyond repair; launch its sweep in another --state, or restore a copy")
                }
                try database.execute(
                    sql: """
                        UPDATE shard SET cell = ?, needs = ?, givenUp = NULL, failures = NULL, checkpoints = NULL
                        WHERE key = ?
                        """,
                    arguments: [
                        shard.cellDigest.description, try encoded(Needs(kernelClass: shard.kernelClass)), row.key,
                    ]
                )
                try database.execute(sql: "DELETE FROM blob WHERE key = ?", arguments: [row.key])
            default: break
            }
        }
    }

    /// The shard no longer keeps this blob.
    fileprivate func forget(_ blob: Digest, of key: ShardKey) throws(StoreError) {
        let sql = "SELECT checkpoints, failures FROM shard WHERE key = ?"
        let kept = try self.read { database in
            try Row.fetchOne(database, sql: sql, arguments: [key.description]).map { row in
                let checkpoints: Checkpoints? = try (row["checkpoints"] as String?).map { try decoded($0) }
                let failures: Coordinator.Failures? = try (row["failures"] as String?).map { try decoded($0) }
                return (checkpoints, failures ?? Coordinator.Failures())
            }
        }
        guard let (found, failures) = kept, var checkpoints = found else { return }
        if checkpoints.last?.digest == blob { checkpoints.last = nil }
        if checkpoints.best?.digest == blob { checkpoints.best = nil }
        try self.apply([.checkpoints(key, checkpoints, failures)])
    }
}
