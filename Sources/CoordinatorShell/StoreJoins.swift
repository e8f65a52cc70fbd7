internal import Digests
internal import GRDB
public import Transport
internal import Wire

/// On what terms machines join and stay.
public struct EnrolmentPolicy: Hashable, Sendable {
    /// Who lets a machine in that shows a good token.
    public enum Approval: Hashable, Sendable {
        case automatic
        /// A person: `quintet approve NAME`.
        case byHand
    }

    public var approval: Approval
    /// How long a worker's certificate lasts.
    public var certificateSeconds: Int64
    /// How long after its end it can still be renewed.
    public var graceSeconds: Int64

    public init(
        approval: Approval = .automatic,
        certificateSeconds: Int64 = CertificateAuthority.certificateValidSeconds,
        graceSeconds: Int64 = 7 * 86_400
    ) {
        self.approval = approval
        self.certificateSeconds = certificateSeconds
        self.graceSeconds = graceSeconds
    }
}

// How machines get their certificates: by a token the first time, by their key afterwards.
extension Store {
    /// Makes a token good for so many machines until then, those that it has let in before among them.
    public func addJoinToken(_ token: JoinToken, uses: Int, validUntilSeconds: Int64) throws(StoreError) {
        try self.write { database in
            try database.execute(
                sql: """
                    INSERT INTO joinToken VALUES (?, ?, ?) ON CONFLICT DO UPDATE
                    SET uses = excluded.uses, validSeconds = excluded.validSeconds
                    """,
                arguments: [token.digest.description, uses, validUntilSeconds]
            )
        }
    }

    /// Whether a worker that came in by the token was banned: it knows it.
    func hasLetInBanned(_ token: JoinToken) throws(StoreError) -> Bool {
        try self.read { database in
            try Bool.fetchOne(
                database,
                sql: """
                    SELECT EXISTS (SELECT * FROM joined JOIN worker ON worker = name
                    WHERE token = ? AND state = ?)
                    """,
                arguments: [token.digest.description, WorkerRecord.State.banned.rawValue]
            ) ?? false
        }
    }

    /// Decides about a machine that shows a token, or a key that is known.
    ///
    /// A key that a token has let in before is known: it costs no further use, because the reply to its first request
    /// may have been lost, and it may come when the token is over, because it may have waited for a person.
    public func decide(
        _ request: EnrolmentRequest,
        policy: EnrolmentPolicy = EnrolmentPolicy(),
        atSeconds now: Int64
    ) throws(StoreError) -> EnrolmentDecision {
        try self.write { database in
            let known = try Self.worker("keyDigest", request.keyDigest.description, database)
            if let known, known.state == .banned { return .refuse(Self.objection(known) ?? "") }
            guard let token = request.tokenDigest?.description else {
                guard let known else { return .refuse("its key is not known here; join by a line of this coordinator") }
                return try Self.renew(known, policy, at: now, database)
            }
            guard
                let row = try Row.fetchOne(
                    database,
                    sql: "SELECT * FROM joinToken WHERE digest = ?",
                    arguments: [token]
                )
            else { return .refuse("its token is unknown here; copy the join line that this coordinator printed") }
            let joined = try String.fetchAll(
                database,
                sql: "SELECT keyDigest FROM joined WHERE token = ?",
                arguments: [token]
            )
            if let known, joined.contains(known.keyDigest.description) {
                return try Self.renew(known, policy, at: now, database)
            }
            guard now <= row["validSeconds"] else {
                return .refuse("its token has expired; start the coordinator again for a fresh join line")
            }
            guard joined.count < row["uses"] else {
                return .refuse("its token is used up (\(joined.count) joined with it)")
            }
            return try Self.join(request, by: token, policy, at: now, database)
        }
    }

    private static func join(
        _ request: EnrolmentRequest,
        by token: String,
        _ policy: EnrolmentPolicy,
        at now: Int64,
        _ database: Database
    ) throws -> EnrolmentDecision {
        let name = "worker-\(request.keyDigest.short)"
        let before = try Self.worker("name", name, database)
        guard before.map({ $0.keyDigest == request.keyDigest }) ?? true else {
            return .refuse("another worker is called \(name) already; join again with a fresh key")
        }
        try database.execute(
            sql: "INSERT INTO joined VALUES (?, ?, ?)",
            arguments: [token, request.keyDigest.description, name]
        )
        let worker = WorkerRecord(
            name: name,
            keyDigest: request.keyDigest,
            state: before?.state ?? (policy.approval == .automatic ? .active : .waiting),
            joinedSeconds: before?.joinedSeconds ?? now,
            certificateEndSeconds: nil
        )
        try Self.put(worker, database)
        return try Self.renew(worker, policy, at: now, database)
    }

    /// The next certificate of a worker, or its first.
    private static func renew(
        _ worker: WorkerRecord,
        _ policy: EnrolmentPolicy,
        at now: Int64,
        _ database: Database
    ) throws -> EnrolmentDecision {
        var worker = worker
        guard worker.state == .active else { return .wait(name: worker.name) }
        if let end = worker.certificateEndSeconds, end + policy.graceSeconds < now {
            return .refuse(
                "the certificate of \(worker.name) ended more than \(policy.graceSeconds) s ago: join by a fresh line"
            )
        }
        worker.certificateEndSeconds = now + policy.certificateSeconds
        try Self.put(worker, database)
        return .accept(name: worker.name)
    }
}
