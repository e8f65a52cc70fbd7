internal import CSQLite
internal import Files
internal import Foundation
internal import GRDB
internal import Synchronization

/// What a coordinator must not forget, in SQLite. One process writes; others may read meanwhile.
///
/// Every method that returns from a write has made it durable.
public final class Store: Sendable {
    let queue: DatabaseQueue
    let path: String
    /// Whether nothing that was written has failed. Else the system counts pages as written that stand in its cache
    /// alone: closing the store leaves the log for the next one to renew, and copies nothing out of it.
    private let isSound = Atomic(true)
    /// What was wrong with the log when the store was opened.
    let logDamage: StoreLog.Damage?

    /// A result changes pages anywhere in the tables: those of a hundred thousand shards are kept at hand.
    private static let cacheKibibytes = 256 << 10

    /// Results lie anywhere in their table: the longer the log, the more of them are copied with one page. 16 MiB.
    private static let logPagesLimit = 4096

    /// Raised with every change of the tables.
    static let schemaVersion = 3

    /// A file system of the program's own under SQLite, without shared memory.
    package struct FileSystem {
        /// What it is registered as.
        package var name: String
        /// How many pages the write-ahead log gathers before they are copied into the file.
        package var logPagesLimit: Int
        /// As `DurableFile.renew`.
        package var renew: (String) throws -> Void
        /// A whole file; `nil` where there is none.
        package var content: (String) -> [UInt8]?

        package init(
            name: String,
            logPagesLimit: Int,
            renew: @escaping (String) throws -> Void,
            content: @escaping (String) -> [UInt8]?
        ) {
            self.name = name
            self.logPagesLimit = logPagesLimit
            self.renew = renew
            self.content = content
        }

        func logDamage(_ path: String) throws -> StoreLog.Damage? {
            try self.content(path).flatMap { content in
                try StoreLog(bytes: content.count) { Array(content[$0..<min($0 + $1, content.count)]) }.damage()
            }
        }
    }

    /// Opens the store for the one coordinator that has locked its folder, or makes it.
    ///
    /// - Throws: ``StoreError`` where it cannot be opened, is another version's, is damaged, or would not be durable.
    public convenience init(writing path: String) throws(StoreError) {
        try self.init(writing: path, on: nil)
    }

    /// As ``init(writing:)``, but opens a store with damaged rows too: for a ``StateAudit``, which names them.
    ///
    /// - Parameter mendsLog: whether a damaged log is cut first where it can no longer be read; else it stays as it is.
    public convenience init(repairing path: String, mendsLog: Bool = false) throws(StoreError) {
        try self.init(writing: path, on: nil, refusesDamage: false, mendsLog: mendsLog)
    }

    /// As ``init(writing:)``, in another file system than the system's.
    package init(
        writing path: String,
        on fileSystem: FileSystem?,
        refusesDamage: Bool = true,
        mendsLog: Bool = false
    ) throws(StoreError) {
        self.path = path
        self.logDamage = try storing(path) {
            try fileSystem.map { try $0.logDamage("\(path)-wal") }
                ?? StoreLog.damage(in: "\(path)-wal", mends: mendsLog)
        }
        if let damage = self.logDamage {
            if refusesDamage { throw Self.refusal(of: damage, path) }
            // Closing would copy the log and remove it with all that it shows.
            if !mendsLog { self.isSound.store(false, ordering: .relaxed) }
        }
        self.queue = try storing(path) {
            // A commit whose sync failed may stand in the system's cache and not on the disk. SQLite would read it there,
            // build on it, and with the power's going leave a file in which one half is newer than the other.
            try (fileSystem?.renew ?? DurableFile.renew)("\(path)-wal")
            var configuration = Configuration()
            configuration.journalMode = .wal
            configuration.busyMode = .timeout(5)
            configuration.prepareDatabase { [logPagesLimit = fileSystem?.logPagesLimit] database in
                try RowSum.add(to: database)
                _ = sqlite_keep_log(database.sqliteConnection, 1)
                // Before all that looks into the file: without shared memory it must be ours alone.
                if logPagesLimit != nil { try database.execute(sql: "PRAGMA locking_mode = EXCLUSIVE") }
                try database.execute(sql: "PRAGMA cache_size = -\(Self.cacheKibibytes)")
                try database.execute(sql: "PRAGMA wal_autocheckpoint = \(logPagesLimit ?? Self.logPagesLimit)")
            }
            let file = fileSystem.map { "file:\(path)?vfs=\($0.name)" } ?? path
            let queue = try DatabaseQueue(path: file, configuration: configuration)
            // With WAL comes `NORMAL`, under which the last commits may be lost with the power.
            try queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
            return queue
        }
        try self.makeTables()
        try self.refuseIfNotDurable()
        if refusesDamage { try self.refuseDamage() }
        if mendsLog, self.logDamage != nil { try self.skipEpochs() }
    }

    private static func refusal(of damage: StoreLog.Damage, _ path: String) -> StoreError {
        StoreError("\(path)-wal is damaged: \(damage); restore a copy, or forget them with quintet verify --repair")
    }

    /// Opens a store that is there, for reading; a coordinator may be at work on it.
    ///
    /// - Throws: ``StoreError`` where there is none, or it is another version's.
    public init(reading path: String) throws(StoreError) {
        try Self.require(path)
        self.path = path
        self.logDamage = try storing(path) { try StoreLog.damage(in: "\(path)-wal", mends: false) }
        if let damage = self.logDamage { throw Self.refusal(of: damage, path) }
        self.queue = try storing(path) {
            var configuration = Configuration()
            configuration.readonly = true
            configuration.busyMode = .timeout(5)
            configuration.prepareDatabase { try RowSum.add(to: $0) }
            return try DatabaseQueue(path: path, configuration: configuration)
        }
        try self.checkVersion(try self.version())
        try self.refuseDamage()
    }

    /// Copies the store as it is now into a file beside it, for one reader.
    ///
    /// - Returns: the file's name.
    func copy() throws(StoreError) -> String {
        let name = "\(Self.copyPrefix)\(UInt64.random(in: .min ... .max)).sqlite"
        let path = DurableFile.parent(of: self.path) + "/" + name
        try storing(path) {
            let target = try DatabaseQueue(path: path)
            try self.queue.backup(to: target)
            // It comes with the store's own mode, in which readers make files beside it and leave them there.
            try target.writeWithoutTransaction { try $0.execute(sql: "PRAGMA journal_mode = DELETE") }
            try target.close()
        }
        return name
    }

    private static let copyPrefix = "copy-"

    /// Removes copies whose readers have died.
    func removeCopies() {
        let folder = DurableFile.parent(of: self.path)
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        for name in names where name.hasPrefix(Self.copyPrefix) { unlink("\(folder)/\(name)") }
    }

    deinit { self.settleLog() }

    /// - Throws: ``StoreError`` where there is no file of that name.
    static func require(_ path: String) throws(StoreError) {
        guard FileManager.default.fileExists(atPath: path) else {
            throw StoreError("there is no sweep in \(path); quintet launch makes one, --state names another folder")
        }
    }

    /// Closes the file; the store is of no use after that.
    package func close() throws(StoreError) {
        self.settleLog()
        try storing(self.path) { try self.queue.close() }
    }

    /// Has the log copied into the file when it is closed, where that is safe.
    private func settleLog() {
        guard self.isSound.load(ordering: .relaxed) else { return }
        self.queue.writeWithoutTransaction { database in
            if let connection = database.sqliteConnection { _ = sqlite_keep_log(connection, 0) }
        }
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
        // After a read error SQLite may say `wal` and yet keep no log: a checkpoint then knows of no pages.
        let pages = try self.writing {
            try self.queue.writeWithoutTransaction { try $0.checkpoint(.passive).walFrameCount }
        }
        guard journalMode == "wal", synchronous == 2, pages >= 0 else {
            throw StoreError(
                "SQLite runs \(self.path) with journal_mode=\(pages < 0 ? "delete" : journalMode), "
                    + "synchronous=\(synchronous) and not with wal and 2 (FULL): a result could be lost after it was "
                    + "acknowledged; put --state on a local disk"
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
            for definition in Table.definitions { try database.execute(sql: definition) }
            try database.execute(sql: "PRAGMA user_version = \(Self.schemaVersion)")
        }
        try self.checkVersion(try self.version())
    }

    /// One durable transaction.
    ///
    /// - Parameter name: tells it from others where tests let it fail.
    func write<Value>(
        as name: @autoclosure () -> String = #function,
        _ body: (Database) throws -> Value
    ) throws(StoreError) -> Value {
        try self.writing {
            let value = try self.queue.write { database in
                let value = try body(database)
                try FaultPoint.reach("commit", of: "store.\(name().prefix { $0 != "(" })")
                return value
            }
            try FaultPoint.reach("committed", of: "store.\(name().prefix { $0 != "(" })")
            return value
        }
    }

    /// Notes where the disk fails.
    private func writing<Value>(_ body: () throws -> Value) throws(StoreError) -> Value {
        try storing(self.path) {
            do {
                return try body()
            } catch let error as DatabaseError where error.resultCode == .SQLITE_IOERR {
                self.isSound.store(false, ordering: .relaxed)
                throw error
            }
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

extension Database {
    /// Executes a statement that is prepared once for all.
    func run(_ sql: String, _ arguments: StatementArguments) throws {
        try self.cachedStatement(sql: sql).execute(arguments: arguments)
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
