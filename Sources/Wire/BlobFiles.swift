package import Digests
package import Files

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// What a blob store asks of a file system.
package protocol BlobFiles: Sendable {
    func makeFolder(_ path: String) throws(StorageError)
    /// Makes the names in a folder durable.
    func syncFolder(_ path: String) throws(StorageError)
    func names(in folder: String) throws(StorageError) -> [String]
    /// A file's size; `nil` where there is none.
    func bytes(of path: String) -> Int?
    /// Adds to a file's end, which is there, or makes the file. What cannot be added whole is not added.
    func append(_ bytes: [UInt8], to path: String, at end: Int) throws(StorageError)
    /// Makes a file's bytes durable.
    func sync(_ path: String) throws(StorageError)
    func digest(of path: String) throws -> Digest
    /// Renames, and makes the new name durable.
    func rename(_ old: String, to new: String) throws(StorageError)
    /// A file that is not there is no mistake.
    func remove(_ path: String)
    func secondsSinceChange(of path: String) -> Int
}

/// The system's.
struct SystemBlobFiles: BlobFiles {
    func makeFolder(_ path: String) throws(StorageError) { try DurableFile.makeFolder(path) }

    func syncFolder(_ path: String) throws(StorageError) { try DurableFile.syncFolder(path) }

    func names(in folder: String) throws(StorageError) -> [String] {
        guard let stream = opendir(folder) else { throw StorageError("read", folder) }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            names.append(
                withUnsafeBytes(of: entry.pointee.d_name) {
                    String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
                }
            )
        }
        return names
    }

    func bytes(of path: String) -> Int? {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : nil
    }

    func append(_ bytes: [UInt8], to path: String, at end: Int) throws(StorageError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw StorageError("write", path) }
        defer { close(descriptor) }
        do {
            try DurableFile.writeAll(bytes, to: descriptor, path: path)
        } catch {
            // A part that came in half would be taken for whole.
            ftruncate(descriptor, off_t(end))
            throw error
        }
    }

    func sync(_ path: String) throws(StorageError) {
        let descriptor = open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw StorageError("write", path) }
        defer { close(descriptor) }
        try DurableFile.sync(descriptor, path: path)
    }

    func digest(of path: String) throws -> Digest { try SHA256.hash(file: path) }

    func rename(_ old: String, to new: String) throws(StorageError) { try DurableFile.rename(old, to: new) }

    func remove(_ path: String) { unlink(path) }

    func secondsSinceChange(of path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? time(nil) - status.st_mtim.tv_sec : 0
    }
}
