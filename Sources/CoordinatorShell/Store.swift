internal import Files
internal import Foundation
internal import GRDB

/// What a coordinator must not forget, in SQLite. One process writes; others may read meanwhile.
///
/// Every method that returns from a write has made it durable.
public final class Store: Sendable {
    let queue: DatabaseQueue
    let path: String

    /// Raised with every change of the tables.
    static let schemaVersion = 2

    /// Opens the store for the one coordinator that has locked its folder, or makes it.
    ///
    /// - Throws: ``StoreError`` where it cannot be opened, is another version's, or would not be durable.
    public init(writing path: String) throws(StoreError) {
        self.path = path
        self.queue = try storing(path) {
            var configuration = Configuration()
            configuration.journalMode = .wal
            configuration.busyMode = .timeout(5)
            let queue = try DatabaseQueue(path: path, configuration: configuration)
            // With WAL comes `NORMAL`, under which the last commits may be lost with the power.
            try queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
            return queue
        }
        try self.refuseIfNotDurable()
        try self.makeTables()
    }

    /// Opens a store that is there, for reading; a coordinator may be at work on it.
    ///
    /// - Throws: ``StoreError`` where there is none, or it is another version's.
    public init(reading path: String) throws(StoreError) {
        guard FileManager.default.fileExists(atPath: path) else {
            throw StoreError("there is no sweep in \(path); quintet launch makes one, --state names another folder")
        }
        self.path = path
        self.queue = try storing(path) {
            var configuration = Configuration()
            configuration.readonly = true
            configuration.busyMode = .timeout(5)
            return try DatabaseQueue(path: path, configuration: configuration)
        }
        try self.checkVersion(try self.version())
    }

    /// The settings that durability rests on, as SQLite reports them: `wal` and 2 (`FULL`).
    func durability() throws(StoreError) -> (journalMode: String, synchronous: Int) {
        try storing(self.path) {
            try self.queue.writeWithoutTransaction { database in
                let mode = try String.fetchOne(database, sql: "PRAGMA journal_mode") ?? ""
                return (mode, try Int.fetchOne(database, sql: "PRAGMA synchronous") ?? -1)
            }
        }
    }

    private func refuseIfNotDurable() throws(StoreError) {
        let (journalMode, synchronous) = try self.durability()
        guard journalMode == "wal", synchronous == 2 else {
            throw StoreError(
                "SQLite runs \(self.path) with journal_mode=\(journalMode), synchronous=\(synchronous) and not with wal "
                    + "and 2 (FULL): a result could be lost after it was acknowledged; put --state on a local disk"
            )
        }
    }

    private func version() throws(StoreError) -> Int {
        try storing(self.path) {
            try self.queue.read { try Int.fetchOne($0, sql: "PRAGMA user_version") ?? 0 }
        }
    }

    private func checkVersion(_ version: Int) throws(StoreError) {
        guard version == Self.schemaVersion else {
            throw StoreError(
                "\(self.path) was written by another version of quintet (schema \(version), this one's is "
                    + "\(Self.schemaVersion)); use that version, or another --state"
            )
        }
    }

    private func makeTables() throws(StoreError) {
        guard try self.version() != Self.schemaVersion else { return }
        try self.write { database in
            guard try Int.fetchOne(database, sql: "PRAGMA user_version") == 0 else { return }
            try database.execute(sql: Self.tables)
            try database.execute(sql: "PRAGMA user_version = \(Self.schemaVersion)")
        }
        try self.checkVersion(try self.version())
    }

    private static let tables = """
        CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE sweep (
            name TEXT PRIMARY KEY,
            definition TEXT NOT NULL,
            launchedSeconds INTEGER NOT NULL,
            terms TEXT NOT NULL
        ) WITHOUT ROWID;
        CREATE TABLE shard (
            key TEXT PRIMARY KEY,
            shard TEXT NOT NULL,
            cell TEXT NOT NULL,
            needs TEXT NOT NULL,
            givenUp TEXT,
            failures TEXT,
            checkpoints TEXT
        ) WITHOUT ROWID;
        CREATE TABLE place (
            sweep TEXT NOT NULL REFERENCES sweep(name),
            position INTEGER NOT NULL,
            key TEXT NOT NULL REFERENCES shard(key),
            PRIMARY KEY (sweep, position)
        ) WITHOUT ROWID;
        CREATE TABLE result (
            key TEXT PRIMARY KEY REFERENCES shard(key),
            result TEXT NOT NULL,
            worker TEXT NOT NULL,
            token TEXT NOT NULL
        ) WITHOUT ROWID;
        CREATE TABLE lease (
            key TEXT PRIMARY KEY REFERENCES shard(key),
            token TEXT NOT NULL,
            worker TEXT NOT NULL
        ) WITHOUT ROWID;
        CREATE TABLE blob (digest TEXT, key TEXT REFERENCES shard(key), PRIMARY KEY (digest, key)) WITHOUT ROWID;
        CREATE TABLE folder (digest TEXT PRIMARY KEY, path TEXT NOT NULL, manifest TEXT NOT NULL) WITHOUT ROWID;
        CREATE TABLE joinToken (
            digest TEXT PRIMARY KEY,
            uses INTEGER NOT NULL,
            validSeconds INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE TABLE joined (
            token TEXT NOT NULL REFERENCES joinToken(digest),
            keyDigest TEXT NOT NULL,
            worker TEXT NOT NULL,
            PRIMARY KEY (token, keyDigest)
        ) WITHOUT ROWID;
        CREATE TABLE worker (
            name TEXT PRIMARY KEY,
            keyDigest TEXT NOT NULL,
            state TEXT NOT NULL,
            joinedSeconds INTEGER NOT NULL,
            certificateEndSeconds INTEGER
        ) WITHOUT ROWID;
        CREATE INDEX workerKey ON worker (keyDigest);
        """

    /// One durable transaction.
    ///
    /// - Parameter name: tells it from others where tests let it fail.
    func write<Value>(
        as name: @autoclosure () -> String = #function,
        _ body: (Database) throws -> Value
    ) throws(StoreError) -> Value {
        try storing(self.path) {
            let value = try self.queue.write { database in
                let value = try body(database)
                try FaultPoint.reach("commit", of: "store.\(name().prefix { $0 != "(" })")
                return value
            }
            try FaultPoint.reach("committed", of: "store.\(name().prefix { $0 != "(" })")
            return value
        }
    }

    func read<Value>(_ body: (Database) throws -> Value) throws(StoreError) -> Value {
        try storing(self.path) { try self.queue.read(body) }
    }
}

/// A store that cannot be used, or a write that did not happen.
public struct StoreError: Error, Hashable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}

/// Says in one line what SQLite, or what was read from it, came up against.
func storing<Value>(_ path: String, _ body: () throws -> Value) throws(StoreError) -> Value {
    do {
        return try body()
    } catch let error as StoreError {
        throw error
    } catch let error as DatabaseError {
        switch error.resultCode {
        case .SQLITE_FULL:
            throw StoreError("cannot write \(path): no space left on the device; make room and try again")
        case .SQLITE_BUSY, .SQLITE_LOCKED:
            throw StoreError("\(path) is in use by another program; stop it and try again")
        case .SQLITE_CORRUPT, .SQLITE_NOTADB:
            throw StoreError("\(path) is damaged or no store of quintet's; restore a copy, or use another --state")
        case .SQLITE_READONLY, .SQLITE_CANTOPEN, .SQLITE_PERM:
            throw StoreError("cannot open \(path) for writing: \(error.message ?? "no reason given"); check its folder")
        default: throw StoreError("\(path): \(error.message ?? "SQLite error \(error.resultCode)")")
        }
    } catch {
        throw StoreError("\(path): \(error)")
    }
}

func encoded(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}

func decoded<Value: Decodable>(_ text: String, _: Value.Type = Value.self) throws -> Value {
    try JSONDecoder().decode(Value.self, from: Data(text.utf8))
}
