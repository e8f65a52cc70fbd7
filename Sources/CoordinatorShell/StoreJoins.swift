internal import Digests
internal import GRDB
public import Transport

// Tokens by which machines join.
extension Store {
    /// Makes a token good for so many machines until then.
    public func addJoinToken(_ token: JoinToken, uses: Int, validUntilSeconds: Int64) throws(StoreError) {
        try self.write { database in
            try database.execute(
                sql: "INSERT INTO joinToken VALUES (?, ?, ?)",
                arguments: [token.digest.description, uses, validUntilSeconds]
            )
        }
    }

    /// Decides about a machine that shows a token. The same key with the same token is let in again and costs no
    /// further use: the reply to its first request may have been lost.
    public func decide(_ request: EnrolmentRequest, atSeconds now: Int64) throws(StoreError) -> EnrolmentDecision {
        let (token, key) = (request.tokenDigest.description, request.keyDigest.description)
        return try self.write { database in
            guard
                let row = try Row.fetchOne(
                    database,
                    sql: "SELECT * FROM joinToken WHERE digest = ?",
                    arguments: [token]
                )
            else { return .refuse("its token is unknown here; copy the join line that this coordinator printed") }
            guard now <= row["validSeconds"] else {
                return .refuse("its token has expired; start the coordinator again for a fresh join line")
            }
            let joined = try Row.fetchAll(database, sql: "SELECT * FROM joined WHERE token = ?", arguments: [token])
            if let again = joined.first(where: { $0["keyDigest"] == key }) { return .accept(name: again["worker"]) }
            guard joined.count < row["uses"] else {
                return .refuse("its token is used up (\(joined.count) joined with it)")
            }
            let name = "worker-\(request.keyDigest.short)"
            try database.execute(sql: "INSERT INTO joined VALUES (?, ?, ?)", arguments: [token, key, name])
            return .accept(name: name)
        }
    }
}
