public import Coordination
internal import Digests
internal import GRDB
internal import Sweeps
public import Transport
public import Wire

// The list of workers: who may speak with this coordinator.
extension Store {
    /// All workers that ever joined or ask to, by name.
    ///
    /// - Parameter name: begins after this one; with `limit`, to read a long list in parts.
    public func workers(after name: WorkerName = "", limit: Int = .max) throws(StoreError) -> [WorkerRecord] {
        try self.read { database in
            try Row.fetchAll(
                database,
                sql: "SELECT * FROM worker WHERE name > ? ORDER BY name LIMIT ?",
                arguments: [name, limit]
            ).map { try WorkerRecord($0) }
        }
    }

    /// Lets a worker in that waits, or one that was banned back in.
    ///
    /// - Throws: ``StoreError`` for a name that is not in the list.
    public func approve(_ worker: WorkerName) throws(StoreError) {
        try self.write { try Self.set(.active, of: worker, $0) }
    }

    /// Shuts a worker out, by its name and by its key. What is left of the tokens by which it came in is void: it knows
    /// them, and could come back under another key.
    ///
    /// Whoever runs a coordinator calls ``CoordinatorService/ban(_:)``, which ends the worker's connections too.
    ///
    /// - Throws: ``StoreError`` for a name that is not in the list.
    public func ban(_ worker: WorkerName) throws(StoreError) {
        try self.write { database in
            try Self.set(.banned, of: worker, database)
            try database.execute(
                sql: """
                    UPDATE joinToken SET uses = (SELECT count(*) FROM joined WHERE token = digest)
                    WHERE digest IN (SELECT token FROM joined WHERE worker = ?)
                    """,
                arguments: [worker]
            )
        }
    }

    private static func set(_ state: WorkerRecord.State, of worker: WorkerName, _ database: Database) throws {
        try database.execute(sql: "UPDATE worker SET state = ? WHERE name = ?", arguments: [state.rawValue, worker])
        guard database.changesCount == 0 else { return }
        let known = try String.fetchAll(database, sql: "SELECT name FROM worker ORDER BY name LIMIT 1000")
        guard !known.isEmpty else {
            throw StoreError("there is no worker \"\(worker.prefix(80))\": none has joined yet")
        }
        throw StoreError("\(UnknownName(kind: "worker", name: worker, known: known))")
    }

    /// Whether a worker that has proved itself may connect. One with a certificate of the authority's that is not in
    /// the list, or has a new certificate, is written down first, so that it can be banned.
    ///
    /// - Returns: why not; nil where it may.
    public func objection(to peer: Peer, atSeconds now: Int64) throws(StoreError) -> String? {
        let key = peer.keyDigest.description
        let known = try self.read { database in
            try Row.fetchAll(
                database,
                sql: "SELECT * FROM worker WHERE name = ? OR keyDigest = ?",
                arguments: [peer.name, key]
            ).map { try WorkerRecord($0) }
        }
        if let other = known.first(where: { $0.state != .active }) { return Self.objection(other) }
        let record = known.first { $0.name == peer.name }
        guard record?.keyDigest != peer.keyDigest || record?.certificateEndSeconds != peer.certificateEndSeconds else {
            return nil
        }
        try self.write { database in
            let record = WorkerRecord(
                name: peer.name,
                keyDigest: peer.keyDigest,
                state: .active,
                joinedSeconds: record?.joinedSeconds ?? now,
                certificateEndSeconds: peer.certificateEndSeconds
            )
            try Self.put(record, database)
        }
        return nil
    }

    /// Why a worker in this state may do nothing here; nil where it may.
    static func objection(_ worker: WorkerRecord) -> String? {
        switch worker.state {
        case .active: nil
        case .waiting: "\(worker.name) waits to be approved of: quintet approve \(worker.name)"
        case .banned: "\(worker.name) is banned here; quintet approve \(worker.name) lets it back in"
        }
    }

    /// Whether this name is shut out.
    package func isBanned(_ worker: WorkerName) throws(StoreError) -> Bool {
        try self.read { try Self.worker("name", worker, $0)?.state == .banned }
    }

    // MARK: Rows

    static func worker(_ column: String, _ value: String, _ database: Database) throws -> WorkerRecord? {
        try Row.fetchOne(database, sql: "SELECT * FROM worker WHERE \(column) = ?", arguments: [value])
            .map { try WorkerRecord($0) }
    }

    /// Writes a worker down. The state of one that is in the list stays: only ``approve(_:)`` and ``ban(_:)`` change it.
    static func put(_ worker: WorkerRecord, _ database: Database) throws {
        try database.execute(
            sql: """
                INSERT INTO worker VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE
                SET keyDigest = excluded.keyDigest, certificateEndSeconds = excluded.certificateEndSeconds
                """,
            arguments: [
                worker.name, worker.keyDigest.description, worker.state.rawValue, worker.joinedSeconds,
                worker.certificateEndSeconds,
            ]
        )
    }
}

extension WorkerRecord {
    fileprivate init(_ row: Row) throws {
        guard let key = Digest(row["keyDigest"] as String), let state = State(rawValue: row["state"]) else {
            throw StoreError("the list of workers is damaged at \(row["name"] as String)")
        }
        self.init(
            name: row["name"],
            keyDigest: key,
            state: state,
            joinedSeconds: row["joinedSeconds"],
            certificateEndSeconds: row["certificateEndSeconds"]
        )
    }
}
