public import Digests
public import Files
internal import Foundation
internal import Wire

/// Backbones and data on this machine, by the digest of their folder's manifest. Shared by all workers of a user.
///
///     folders/DIGEST             complete and verified, or a link to such a folder elsewhere
///     folders/.DIGEST            one that is being fetched
///     folders/.lock-DIGEST       held while it is
///     folders/.blobs-DIGEST      its files, as far as they have come
///     tokens/                    what tokenizers made of the data
public struct FolderCache: Hashable, Sendable {
    public let path: String

    public init(_ path: String) {
        self.path = path
    }

    private var folders: String { "\(self.path)/folders" }

    func folder(_ digest: Digest) -> String { "\(self.folders)/\(digest)" }

    /// Where trainers keep tokens for one another.
    var tokensFolder: String { "\(self.path)/tokens" }

    /// Makes a folder that lies elsewhere on this machine known under its digest.
    ///
    /// - Throws: `StorageError` where the link cannot be made.
    public func register(_ folder: String, as digest: Digest) throws(StorageError) {
        try DurableFile.makeFolder(self.folders)
        let path = self.folder(digest)
        let absolute = folder.hasPrefix("/") ? folder : "\(FileManager.default.currentDirectoryPath)/\(folder)"
        if let target = try? FileManager.default.destinationOfSymbolicLink(atPath: path) {
            if target == absolute { return }
            unlink(path)
        }
        // What was fetched is verified and stays.
        guard symlink(absolute, path) == 0 || errno == EEXIST else { throw StorageError("link", path) }
    }

    /// The folder of a digest, if it is here.
    func find(_ digest: Digest) -> String? {
        let path = self.folder(digest)
        return access(path, F_OK) == 0 ? path : nil
    }

    /// The folder of a digest; what is missing is fetched, each file verified, and the whole appears at once.
    ///
    /// - Parameter fetch: brings a blob of at most so many bytes into a store.
    func folder(
        _ digest: Digest,
        fetch: (_ blob: Digest, _ store: BlobStore, _ bytesLimit: Int) async throws -> Void
    ) async throws -> String {
        if let path = self.find(digest) { return path }
        try DurableFile.makeFolder(self.folders)
        let lock = try await self.lock(digest)
        defer { withExtendedLifetime(lock) {} }
        if let path = self.find(digest) { return path }
        let blobs = "\(self.folders)/.blobs-\(digest)"
        let store = try BlobStore(folder: blobs)
        try await fetch(digest, store, FolderManifest.writtenBytesLimit)
        let written = try Self.contents(store.path(of: digest))
        let manifest: FolderManifest
        do {
            manifest = try FolderManifest(written: written)
        } catch {
            throw BlobError("the coordinator's list of folder \(digest.short) is unusable: \(error)")
        }
        let draft = "\(self.folders)/.\(digest)"
        let missing = manifest.files.filter { access("\(draft)/\($0.name)", F_OK) != 0 }
            .reduce(0) { $0 + $1.bytes - store.receivedBytes(of: $1.digest) }
        if let free = DurableFile.freeBytes(at: self.folders), missing > free {
            throw StorageError("fetch \(missing >> 20) MiB into", self.folders, code: ENOSPC)
        }
        for file in manifest.files {
            let path = "\(draft)/\(file.name)"
            guard access(path, F_OK) != 0 else { continue }
            try DurableFile.makeFolder(DurableFile.parent(of: path))
            try await fetch(file.digest, store, file.bytes)
            // A second name: the blob stays where it is until the folder is complete, for it may be in it twice.
            guard link(store.path(of: file.digest), path) == 0 else { throw StorageError("link", path) }
        }
        // A link to a folder that is gone would be in the way.
        unlink(self.folder(digest))
        try DurableFile.rename(draft, to: self.folder(digest))
        try? FileManager.default.removeItem(atPath: blobs)
        return self.folder(digest)
    }

    /// Waits for whoever fetches the same folder: another slot or another worker.
    private func lock(_ digest: Digest) async throws -> FolderLock {
        while true {
            if let lock = try FolderLock(file: "\(self.folders)/.lock-\(digest)") { return lock }
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    private static func contents(_ path: String) throws -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: path), data.count <= FolderManifest.writtenBytesLimit
        else {
            throw StorageError("read", path, code: EIO)
        }
        return [UInt8](data)
    }
}
