#if canImport(Glibc)
    public import Glibc
#else
    public import Musl
#endif

/// A file or folder that could not be read or written: what was tried, where, and the system's reason.
public struct StorageError: Error, Hashable, CustomStringConvertible {
    public let description: String
    /// The system's error number.
    public let code: Int32

    public init(_ action: String, _ path: String, code: Int32 = errno) {
        let hint =
            switch code {
            case EFBIG where action == "read": ""
            case ENOSPC, EDQUOT, EFBIG: "; make room and try again"
            case EACCES, EPERM, EROFS: "; choose a folder that this user may write"
            default: ""
            }
        self.description = "cannot \(action) \(path): \(String(cString: strerror(code)))\(hint)"
        self.code = code
    }
}

/// Files that are there completely or not at all, whenever the machine stops.
public enum DurableFile {
    /// Writes a file under a temporary name, and gives it its own once every byte is on disk.
    ///
    /// - Throws: ``StorageError``; the file is then as it was.
    public static func write(_ bytes: [UInt8], to path: String, mode: mode_t = 0o600) throws(StorageError) {
        let temporary = "\(path).new"
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw StorageError("write", temporary) }
        do {
            try FaultPoint.reach("write", of: path)
            try self.writeAll(bytes, to: descriptor, path: temporary)
            try FaultPoint.reach("sync", of: path)
            try self.sync(descriptor, path: temporary)
        } catch {
            close(descriptor)
            unlink(temporary)
            throw error
        }
        close(descriptor)
        try self.rename(temporary, to: path)
    }

    /// Writes a file that is not there yet as ``write(_:to:mode:)`` does.
    ///
    /// - Returns: false where it is there already, also when another process made it a moment ago: it is then as it was.
    public static func create(_ bytes: [UInt8], at path: String, mode: mode_t = 0o600) throws(StorageError) -> Bool {
        // Others may be making it too, so each writes its own.
        let temporary = "\(path).\(UInt64.random(in: .min ... .max))"
        try self.write(bytes, to: temporary, mode: mode)
        defer { unlink(temporary) }
        try FaultPoint.reach("link", of: path)
        // `link` refuses where the name is taken, which `rename` does not.
        guard link(temporary, path) == 0 else {
            guard errno == EEXIST else { throw StorageError("create", path) }
            return false
        }
        try FaultPoint.reach("folder", of: path)
        try self.syncFolder(Self.parent(of: path))
        return true
    }

    /// The content of a small file; `nil` where there is none.
    ///
    /// - Throws: ``StorageError`` where it cannot be read, is longer than the limit, or is a symbolic link and those are
    ///   not followed.
    public static func read(
        _ path: String,
        bytesLimit: Int,
        followsLinks: Bool = false
    ) throws(StorageError) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | (followsLinks ? 0 : O_NOFOLLOW))
        guard descriptor >= 0 else {
            guard errno == ENOENT else { throw StorageError("read", path) }
            return nil
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw StorageError("read", path) }
        // Memory is the file's business, not the limit's; the file may grow meanwhile.
        var bytes = [UInt8](repeating: 0, count: min(max(0, Int(status.st_size)), bytesLimit) + 1)
        var filled = 0
        while true {
            if filled == bytes.count {
                guard filled <= bytesLimit else { throw StorageError("read", path, code: EFBIG) }
                bytes += [UInt8](repeating: 0, count: min(filled, bytesLimit + 1 - filled))
            }
            let count = bytes.withUnsafeMutableBytes {
                Self.systemRead(descriptor, $0.baseAddress! + filled, $0.count - filled)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw StorageError("read", path) }
            if count == 0 {
                bytes.removeLast(bytes.count - filled)
                return bytes
            }
            filled += count
        }
    }

    /// Renames, and makes the new name durable.
    public static func rename(_ old: String, to new: String) throws(StorageError) {
        try FaultPoint.reach("rename", of: new)
        guard Self.systemRename(old, new) == 0 else { throw StorageError("rename \(old) to", new) }
        try FaultPoint.reach("folder", of: new)
        try self.syncFolder(Self.parent(of: new))
    }

    /// Makes the names in a folder durable.
    public static func syncFolder(_ path: String) throws(StorageError) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw StorageError("open", path) }
        defer { close(descriptor) }
        try self.sync(descriptor, path: path)
    }

    /// Makes a folder and those above it, for this user alone.
    public static func makeFolder(_ path: String) throws(StorageError) {
        if mkdir(path, 0o700) == 0 { return }
        if errno == ENOENT, Self.parent(of: path) != path {
            try self.makeFolder(Self.parent(of: path))
            if mkdir(path, 0o700) == 0 { return }
        }
        guard errno == EEXIST else { throw StorageError("make the folder", path) }
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw StorageError("make the folder", path, code: ENOTDIR)
        }
    }

    public static func writeAll(_ bytes: [UInt8], to descriptor: Int32, path: String) throws(StorageError) {
        var offset = 0
        while offset < bytes.count {
            let count = bytes.withUnsafeBytes {
                Self.systemWrite(descriptor, $0.baseAddress! + offset, $0.count - offset)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw StorageError("write", path, code: count == 0 ? ENOSPC : errno) }
            offset += count
        }
    }

    /// Writes a file's bytes over themselves and syncs them: after a sync that failed, the system counts bytes as written
    /// that stand in its cache alone. A file that is not there is no mistake.
    ///
    /// - Throws: ``StorageError``; the file reads as before.
    public static func renew(_ path: String) throws(StorageError) {
        let descriptor = open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return }
            throw StorageError("open", path)
        }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        var offset = 0
        while true {
            let count = pread(descriptor, &buffer, buffer.count, off_t(offset))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw StorageError("read", path) }
            if count == 0 { break }
            guard lseek(descriptor, off_t(offset), SEEK_SET) >= 0 else { throw StorageError("write", path) }
            try self.writeAll(Array(buffer[..<count]), to: descriptor, path: path)
            offset += count
        }
        try self.sync(descriptor, path: path)
        try self.syncFolder(Self.parent(of: path))
    }

    public static func sync(_ descriptor: Int32, path: String) throws(StorageError) {
        guard fsync(descriptor) == 0 else { throw StorageError("write", path) }
    }

    /// What the disk of a file or folder has left for this user; `nil` where the system does not say.
    public static func freeBytes(at path: String) -> Int? {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return nil }
        let (bytes, isTooMuch) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
        return isTooMuch ? .max : Int(clamping: bytes)
    }

    public static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    // The system's functions, under names that do not hide behind this type's own.
    private static func systemRename(_ old: String, _ new: String) -> Int32 {
        #if canImport(Glibc)
            Glibc.rename(old, new)
        #else
            Musl.rename(old, new)
        #endif
    }

    private static func systemRead(_ descriptor: Int32, _ start: UnsafeMutableRawPointer, _ count: Int) -> Int {
        #if canImport(Glibc)
            Glibc.read(descriptor, start, count)
        #else
            Musl.read(descriptor, start, count)
        #endif
    }

    private static func systemWrite(_ descriptor: Int32, _ start: UnsafeRawPointer, _ count: Int) -> Int {
        #if canImport(Glibc)
            Glibc.write(descriptor, start, count)
        #else
            Musl.write(descriptor, start, count)
        #endif
    }
}

/// The right of one process to a folder, until it ends, however it ends.
public final class FolderLock: Sendable {
    private let descriptor: Int32

    /// - Returns: `nil` where another process has it.
    /// - Throws: ``StorageError`` where the lock file cannot be had at all.
    public init?(file path: String) throws(StorageError) {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw StorageError("open", path) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(descriptor)
            guard code == EWOULDBLOCK else { throw StorageError("lock", path, code: code) }
            return nil
        }
        self.descriptor = descriptor
        // For people who meet the lock; the lock itself is the system's.
        ftruncate(descriptor, 0)
        let text = Array("\(getpid()) \(Self.machine)\n".utf8)
        _ = try? DurableFile.writeAll(text, to: descriptor, path: path)
        // Other machines read it while it is held.
        fsync(descriptor)
    }

    deinit { close(self.descriptor) }

    /// This machine's name.
    public static var machine: String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, name.count - 1) == 0, name[0] != 0 else { return "localhost" }
        return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// The process that wrote itself into a lock file.
    public struct Holder: Hashable, Sendable {
        public let process: Int
        /// The name of its machine; `nil` where an earlier version has written the file.
        public let machine: String?

        /// Whether it is one of this machine's, as far as is known.
        public var isHere: Bool { self.machine.map { $0 == FolderLock.machine } ?? true }
    }

    public static func holder(of path: String) -> Holder? {
        var text = [UInt8](repeating: 0, count: 512)
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        let count = read(descriptor, &text, text.count)
        let words = String(decoding: text.prefix(max(0, count)), as: UTF8.self).split(whereSeparator: \.isWhitespace)
        guard let process = words.first.flatMap({ Int($0) }) else { return nil }
        return Holder(process: process, machine: words.dropFirst().first.map(String.init))
    }
}
