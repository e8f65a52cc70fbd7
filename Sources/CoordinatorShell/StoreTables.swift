internal import Digests
internal import Foundation
internal import GRDB

/// A table whose rows each carry a checksum. SQLite computes it with every write, so no statement mentions it.
struct Table: Sendable {
    let name: String
    /// The columns that tell rows apart.
    let key: [String]
    /// Names, and what SQLite is told of each.
    let columns: [String]

    private var sum: String {
        let names = self.columns.map { $0.prefix { $0 != " " } }
        return "rowSum('\(self.name)', \(names.joined(separator: ", ")))"
    }

    /// The statement that makes the table.
    var definition: String {
        let parts =
            self.columns + [
                "sum INTEGER GENERATED ALWAYS AS (\(self.sum)) STORED",
                "PRIMARY KEY (\(self.key.joined(separator: ", ")))",
            ]
        return "CREATE TABLE \(self.name) (\(parts.joined(separator: ", "))) WITHOUT ROWID"
    }

    /// Finds the keys of rows that are not as they were written.
    var damage: String {
        let name = self.key.map { "ifnull(\($0), '?')" }.joined(separator: " || ' ' || ")
        return "SELECT \(name) FROM \(self.name) WHERE sum IS NOT \(self.sum) LIMIT 100"
    }

    static let all = [
        Table(name: "counter", key: ["name"], columns: ["name TEXT", "value INTEGER NOT NULL"]),
        Table(
            name: "sweep",
            key: ["name"],
            columns: [
                "name TEXT", "definition TEXT NOT NULL", "launchedSeconds INTEGER NOT NULL", "terms TEXT NOT NULL",
            ]
        ),
        Table(
            name: "shard",
            key: ["key"],
            columns: [
                "key TEXT", "shard TEXT NOT NULL", "cell TEXT NOT NULL", "needs TEXT NOT NULL", "givenUp TEXT",
                "failures TEXT", "checkpoints TEXT",
            ]
        ),
        Table(
            name: "place",
            key: ["sweep", "position"],
            columns: [
                "sweep TEXT NOT NULL REFERENCES sweep(name)", "position INTEGER NOT NULL",
                "key TEXT NOT NULL REFERENCES shard(key)",
            ]
        ),
        Table(
            name: "result",
            key: ["key"],
            columns: [
                "key TEXT REFERENCES shard(key)", "result TEXT NOT NULL", "worker TEXT NOT NULL",
                "token TEXT NOT NULL",
            ]
        ),
        Table(
            name: "lease",
            key: ["key"],
            columns: ["key TEXT REFERENCES shard(key)", "token TEXT NOT NULL", "worker TEXT NOT NULL"]
        ),
        Table(name: "blob", key: ["key", "digest"], columns: ["key TEXT REFERENCES shard(key)", "digest TEXT"]),
        Table(
            name: "folder",
            key: ["digest"],
            columns: ["digest TEXT", "path TEXT NOT NULL", "manifest TEXT NOT NULL"]
        ),
        Table(
            name: "joinToken",
            key: ["digest"],
            columns: ["digest TEXT", "uses INTEGER NOT NULL", "validSeconds INTEGER NOT NULL"]
        ),
        Table(
            name: "joined",
            key: ["token", "keyDigest"],
            columns: ["token TEXT REFERENCES joinToken(digest)", "keyDigest TEXT", "worker TEXT NOT NULL"]
        ),
        Table(
            name: "worker",
            key: ["name"],
            columns: [
                "name TEXT", "keyDigest TEXT NOT NULL", "state TEXT NOT NULL", "joinedSeconds INTEGER NOT NULL",
                "certificateEndSeconds INTEGER",
            ]
        ),
    ]

    /// The statements that make everything in the file.
    static let definitions =
        Self.all.map(\.definition) + [
            "CREATE INDEX blobDigest ON blob (digest)", "CREATE INDEX workerKey ON worker (keyDigest)",
        ]
}

/// A row that is not as it was written.
public struct DamagedRow: Hashable, Sendable, CustomStringConvertible {
    public var table: String
    public var key: String

    public var description: String { "row \(self.key) of table \(self.table) is damaged" }
}

extension Store {
    /// Rows whose checksum is not that of what stands in them; of each table the first hundred.
    ///
    /// - Throws: ``StoreError`` where SQLite itself finds the file damaged.
    public func damagedRows() throws(StoreError) -> [DamagedRow] {
        try self.read { database in
            try Table.all.flatMap { table in
                try String.fetchAll(database, sql: table.damage).map { DamagedRow(table: table.name, key: $0) }
            }
        }
    }

    /// Refuses a file in which anything is not as it was written: its rows by their checksums, its tables by their
    /// definitions, the rest by SQLite's own check.
    func refuseDamage() throws(StoreError) {
        if let row = try self.damagedRows().first {
            throw StoreError("\(self.path): \(row): its checksum differs; restore it with quintet verify --repair")
        }
        let problem: String? = try self.read { database in
            let definitions = try String.fetchAll(database, sql: "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")
            guard Set(definitions) == Set(Table.definitions) else { return "its tables are not as made" }
            // The quick check leaves out whether an index holds what its table does.
            for check in ["quick_check(1)", "integrity_check(blob)", "integrity_check(worker)"] {
                let found = try String.fetchOne(database, sql: "PRAGMA \(check)") ?? "nothing"
                guard found == "ok" else { return found.split(whereSeparator: \.isNewline).joined(separator: " ") }
            }
            return nil
        }
        guard let problem else { return }
        throw StoreError("\(self.path) is damaged (\(problem)); restore a copy, or use another --state")
    }
}
