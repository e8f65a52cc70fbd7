internal import Digests
internal import Files
internal import Wire

#if canImport(Glibc)
    internal import Glibc
#else
    internal import Musl
#endif

/// A simulated disk as a blob store sees it; of no use once the process that opened it has ended.
struct DiskBlobFiles: BlobFiles, @unchecked Sendable {
    // A run has one thread.
    private let disk: SimulatedDisk
    private let process: Int

    init(_ disk: SimulatedDisk) {
        self.disk = disk
        self.process = disk.process
    }

    private func on(_ path: String, _ body: () throws(SimulatedDisk.Failure) -> Void) throws(StorageError) {
        do throws(SimulatedDisk.Failure) {
            guard self.process == self.disk.process else { throw .gone }
            try body()
        } catch {
            throw StorageError("write", path, code: error == .full ? ENOSPC : EIO)
        }
    }

    func makeFolder(_ path: String) {}

    func syncFolder(_ path: String) throws(StorageError) {
        try self.on(path) { () throws(SimulatedDisk.Failure) in try self.disk.syncFolder(path) }
    }

    func names(in folder: String) -> [String] {
        self.disk.files.keys.filter { SimulatedDisk.folder(of: $0) == folder }
            .map { String($0.dropFirst(folder.count + 1)) }
    }

    func bytes(of path: String) -> Int? { self.disk.files[path]?.content.count }

    func append(_ bytes: [UInt8], to path: String, at end: Int) throws(StorageError) {
        try self.on(path) { () throws(SimulatedDisk.Failure) in
            guard let file = self.disk.file(path, create: true) else { return }
            try self.disk.write(bytes, to: file, at: end)
        }
    }

    func sync(_ path: String) throws(StorageError) {
        try self.on(path) { () throws(SimulatedDisk.Failure) in
            if let file = self.disk.files[path] { try self.disk.sync(file, syncsNames: false) }
        }
    }

    func digest(of path: String) throws -> Digest {
        guard let file = self.disk.files[path] else { throw StorageError("read", path, code: ENOENT) }
        try self.on(path) { () throws(SimulatedDisk.Failure) in try self.disk.read(file) }
        return SHA256.hash(file.content)
    }

    func rename(_ old: String, to new: String) throws(StorageError) {
        try self.on(new) { () throws(SimulatedDisk.Failure) in
            try self.disk.rename(old, to: new)
            try self.disk.syncFolder(SimulatedDisk.folder(of: new))
        }
    }

    func remove(_ path: String) {
        try? self.on(path) { () throws(SimulatedDisk.Failure) in try self.disk.remove(path, syncsNames: false) }
    }

    func secondsSinceChange(of path: String) -> Int { 0 }
}
