internal import Digests
internal import GRDB
internal import GRDBSQLite

/// The checksum of a row as a function of SQL, `rowSum(table, columns…)`: the first eight bytes of SHA-256 over all
/// values, each with its type and length.
///
/// Opening a store computes some hundred thousand of them, so it reads SQLite's values where they lie.
enum RowSum {
    static func add(to database: Database) throws {
        let flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC
        let code = sqlite3_create_function_v2(
            database.sqliteConnection,
            "rowSum",
            -1,
            flags,
            nil,
            { context, count, values in
                sqlite3_result_int64(context, RowSum.sum(UnsafeBufferPointer(start: values, count: Int(count))))
            },
            nil,
            nil,
            nil
        )
        guard code == SQLITE_OK else { throw DatabaseError(resultCode: ResultCode(rawValue: code)) }
    }

    private static func sum(_ values: UnsafeBufferPointer<OpaquePointer?>) -> Int64 {
        var bytes: [UInt8] = []
        func append(_ type: UInt8, _ value: UnsafeRawBufferPointer) {
            bytes.append(type)
            withUnsafeBytes(of: Int64(value.count).littleEndian) { bytes += $0 }
            bytes += value
        }
        for value in values {
            switch sqlite3_value_type(value) {
            case SQLITE_INTEGER:
                withUnsafeBytes(of: sqlite3_value_int64(value).littleEndian) { append(1, $0) }
            case SQLITE_FLOAT:
                withUnsafeBytes(of: sqlite3_value_double(value).bitPattern.littleEndian) { append(2, $0) }
            case SQLITE_TEXT:
                let start = sqlite3_value_text(value)
                append(3, UnsafeRawBufferPointer(start: start, count: Int(sqlite3_value_bytes(value))))
            case SQLITE_BLOB:
                let start = sqlite3_value_blob(value)
                append(4, UnsafeRawBufferPointer(start: start, count: Int(sqlite3_value_bytes(value))))
            default: append(0, UnsafeRawBufferPointer(start: nil, count: 0))
            }
        }
        return SHA256.hash(bytes).bytes.prefix(8).reduce(0) { $0 << 8 | Int64($1) }
    }
}
