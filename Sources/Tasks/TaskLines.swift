import Foundation

/// The lines of a task's file: UTF-8 with or without byte-order mark, lines that end with LF or CR LF. Empty lines at
/// the end are none.
struct TaskLines {
    static let sizeLimitBytes = 512 << 20
    static let lineLimitBytes = 1 << 20

    let path: String
    let lines: [ArraySlice<UInt8>]

    init(path: String) throws(TaskFileError) {
        try self.init(path: path, bytes: try Self.bytes(path))
    }

    /// - Parameter path: for errors.
    init(path: String, bytes: [UInt8]) throws(TaskFileError) {
        self.path = path
        let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
        var lines = bytes.dropFirst(bytes.starts(with: mark) ? mark.count : 0)
            .split(separator: 0x0A, omittingEmptySubsequences: false)
            .map { $0.last == 0x0D ? $0.dropLast() : $0 }
        while lines.last?.isEmpty == true { lines.removeLast() }
        for (index, line) in lines.enumerated() where line.count > Self.lineLimitBytes {
            let limit = "longer than the limit of \(Self.lineLimitBytes)"
            throw TaskFileError(path, line: index + 1, "has \(line.count) bytes, \(limit)")
        }
        self.lines = lines
    }

    static func bytes(_ path: String) throws(TaskFileError) -> [UInt8] {
        do {
            let file = try FileHandle(forReadingFrom: URL(filePath: path))
            defer { try? file.close() }
            let data = try file.read(upToCount: Self.sizeLimitBytes + 1) ?? Data()
            if data.count <= Self.sizeLimitBytes { return [UInt8](data) }
        } catch {
            throw TaskFileError(path, "cannot be read: \(error.localizedDescription)")
        }
        throw TaskFileError(path, "is larger than the limit of \(Self.sizeLimitBytes) bytes")
    }
}

/// Lines whose cells a tab parts, as GLUE's are: no quoting. Malformed UTF-8 becomes replacement characters.
struct TableFile {
    private let file: TaskLines

    var path: String { self.file.path }

    init(path: String) throws(TaskFileError) { self.file = try TaskLines(path: path) }

    init(_ file: TaskLines) { self.file = file }

    /// The names of the columns, from the first line.
    func header() throws(TaskFileError) -> [String] {
        guard let first = self.file.lines.first else { throw TaskFileError(self.path, "is empty") }
        return Self.cells(first).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The rows after so many lines, with the number of each one's line.
    func rows(after skipped: Int) -> [(line: Int, cells: [ArraySlice<UInt8>])] {
        self.file.lines.indices.dropFirst(skipped).map { (line: $0 + 1, cells: Self.cells(self.file.lines[$0])) }
    }

    private static func cells(_ line: ArraySlice<UInt8>) -> [ArraySlice<UInt8>] {
        line.split(separator: 0x09, omittingEmptySubsequences: false)
    }
}
