public import Files
import Foundation

/// A file that holds a join line, by which workers find their coordinator and get in.
///
/// Whoever may read it may join, so it is its owner's alone. A coordinator that starts elsewhere writes its new address
/// there, and workers read it before each dial.
public struct JoinFile: Hashable, Sendable {
    public let path: String

    public init(_ path: String) { self.path = path }

    private static let bytesLimit = 1024

    /// The line; `nil` where there is no file yet.
    ///
    /// - Throws: `StorageError`; ``JoinFileError`` where others may read the file, or it holds no join line.
    public func read() throws -> JoinLine? {
        // A secret that a cluster manager mounts is a link.
        guard let bytes = try DurableFile.read(self.path, bytesLimit: Self.bytesLimit, followsLinks: true) else {
            return nil
        }
        var status = stat()
        guard stat(self.path, &status) == 0 else { throw StorageError("read", self.path) }
        guard status.st_mode & 0o007 == 0 else {
            throw JoinFileError("everybody may read \(self.path), and join by it; chmod 600 \(self.path)")
        }
        do throws(JoinLineError) {
            return try JoinLine(parsing: String(decoding: bytes, as: UTF8.self))
        } catch {
            throw JoinFileError("\(self.path) holds no join line: \(error.reason)")
        }
    }

    /// - Throws: `StorageError`.
    public func write(_ line: JoinLine) throws(StorageError) { try KeyFile.write("\(line)\n", to: self.path) }
}

/// A join file that cannot be used, and why.
public struct JoinFileError: Error, Hashable, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}

/// Where a worker learns how its coordinator is reached.
public enum JoinSource: Hashable, Sendable {
    case line(JoinLine)
    case file(JoinFile)

    /// The line as it is now.
    ///
    /// - Throws: as ``JoinFile/read()``; ``JoinFileError`` where there is no file.
    public func line() throws -> JoinLine {
        switch self {
        case .line(let line): return line
        case .file(let file):
            guard let line = try file.read() else {
                throw JoinFileError("there is no \(file.path) yet: the coordinator writes it when it starts")
            }
            return line
        }
    }
}
