import Files
import Foundation

/// Small files that hold secrets: readable by their owner alone, and never seen half-written.
enum PrivateFile {
    /// More than any identity or authority needs.
    static let bytesLimit = 64 << 10

    /// The content of a file, or nil where there is none.
    static func read(_ path: String) throws(PrivateFileError) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw PrivateFileError("open", path)
        }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: self.bytesLimit + 1)
        var count = 0
        while count < bytes.count {
            let got = bytes.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress! + count, $0.count - count) }
            if got < 0 && errno == EINTR { continue }
            guard got >= 0 else { throw PrivateFileError("read", path) }
            if got == 0 { return String(decoding: bytes.prefix(count), as: UTF8.self) }
            count += got
        }
        throw PrivateFileError("\(path) has more than \(self.bytesLimit) bytes: it is no file of quintet's")
    }

    /// Writes a file of mode 0600 as one durable step, under a temporary name first.
    ///
    /// - Returns: false where `replacing` is false and the file is there already; it is then left as it is, also when
    ///   another process made it a moment ago.
    static func write(_ text: String, to path: String, replacing: Bool) throws(PrivateFileError) -> Bool {
        let folder = (path as NSString).deletingLastPathComponent
        try self.makeFolder(folder)
        let temporary = "\(path).\(randomBytes(8).map { String($0, radix: 16) }.joined()).new"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw PrivateFileError("create", temporary) }
        defer { unlink(temporary) }
        do {
            defer { close(descriptor) }
            try self.reach("write", path)
            try self.writeAll(Array(text.utf8), to: descriptor, temporary)
            try self.reach("sync", path)
            guard fsync(descriptor) == 0 else { throw PrivateFileError("flush", temporary) }
        }
        try self.reach("rename", path)
        // `link` refuses where the name is taken, which `rename` does not.
        if replacing {
            guard rename(temporary, path) == 0 else { throw PrivateFileError("replace", path) }
        } else if link(temporary, path) != 0 {
            if errno == EEXIST { return false }
            throw PrivateFileError("create", path)
        }
        try self.reach("folder", path)
        try self.flushFolder(folder)
        return true
    }

    private static func reach(_ step: String, _ path: String) throws(PrivateFileError) {
        do { try FaultPoint.reach(step, of: path) } catch { throw PrivateFileError("\(error)") }
    }

    static func remove(_ path: String) throws(PrivateFileError) {
        guard unlink(path) == 0 || errno == ENOENT else { throw PrivateFileError("remove", path) }
    }

    /// Makes a folder that only its owner enters, and the folders above it.
    static func makeFolder(_ path: String) throws(PrivateFileError) {
        do {
            try FileManager.default.createDirectory(
                atPath: path,
                withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700]
            )
        } catch {
            throw PrivateFileError("cannot make the folder \(path): \(error.localizedDescription)")
        }
    }

    private static func writeAll(_ bytes: [UInt8], to descriptor: Int32, _ path: String) throws(PrivateFileError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw PrivateFileError("write", path) }
            rest = rest.dropFirst(count)
        }
    }

    private static func flushFolder(_ path: String) throws(PrivateFileError) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw PrivateFileError("open", path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw PrivateFileError("flush", path) }
    }
}

/// A file of keys or certificates that could not be read or written.
public struct PrivateFileError: Error, Hashable, CustomStringConvertible {
    public var description: String

    init(_ description: String) { self.description = description }

    /// - Parameter action: what was tried; the reason is taken from `errno`.
    init(_ action: String, _ path: String) {
        self.description = "cannot \(action) \(path): \(String(cString: strerror(errno)))"
    }
}
