public import Digests
public import Files
internal import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// A folder of blobs, each under its digest. A blob is there completely and verified, or not at all; what has come of
/// one that is on its way lies in `partial/` and is gone on with.
///
/// For one caller at a time.
public struct BlobStore: Sendable {
    public let folder: String
    /// The largest blob that is taken.
    public let blobBytesLimit: Int
    private let files: any BlobFiles
    private let used: ByteCount?

    private final class ByteCount: Sendable {
        let bytes = Atomic(0)

        func add(_ bytes: Int) { self.bytes.add(bytes, ordering: .relaxed) }
    }

    /// - Parameter countsBytes: whether ``usedBytes`` is kept.
    /// - Throws: ``StorageError`` where the folder cannot be made or read.
    public init(folder: String, blobBytesLimit: Int = 16 << 30, countsBytes: Bool = false) throws(StorageError) {
        try self.init(
            folder: folder,
            blobBytesLimit: blobBytesLimit,
            countsBytes: countsBytes,
            files: SystemBlobFiles()
        )
    }

    /// As ``init(folder:blobBytesLimit:countsBytes:)``, in another file system than the system's.
    package init(
        folder: String,
        blobBytesLimit: Int = 16 << 30,
        countsBytes: Bool = false,
        files: any BlobFiles
    ) throws(StorageError) {
        self.folder = folder
        self.blobBytesLimit = blobBytesLimit
        self.files = files
        self.used = countsBytes ? ByteCount() : nil
        try files.makeFolder("\(folder)/partial")
        // A process that was killed may have left a name that is not on the disk yet; from now on it is relied on.
        try files.syncFolder(folder)
        guard let used else { return }
        for digest in try self.all() { used.add(files.bytes(of: self.path(of: digest)) ?? 0) }
        for digest in try self.digests(in: "\(folder)/partial") { used.add(self.receivedBytes(of: digest)) }
    }

    /// What all blobs take, those on their way included; `nil` where they are not counted.
    public var usedBytes: Int? { self.used?.bytes.load(ordering: .relaxed) }

    /// Where the blob lies, or would lie.
    public func path(of digest: Digest) -> String { "\(self.folder)/\(digest)" }

    /// Whether the blob is there.
    public func contains(_ digest: Digest) -> Bool { self.files.bytes(of: self.path(of: digest)) != nil }

    private func partialPath(of digest: Digest) -> String { "\(self.folder)/partial/\(digest)" }

    /// How many bytes of a blob have come so far; the next ones go there.
    public func receivedBytes(of digest: Digest) -> Int { self.files.bytes(of: self.partialPath(of: digest)) ?? 0 }

    /// Where the next part of a blob of so many bytes begins, or `nil` when it is complete and in place. A process that
    /// ended between its last part and its end has left it to this one.
    ///
    /// - Throws: ``StorageError`` where it cannot be put in place.
    public func nextOffset(of digest: Digest, totalBytes: Int) throws -> Int? {
        if self.contains(digest) { return nil }
        let received = self.receivedBytes(of: digest)
        guard received >= totalBytes, received > 0 else { return received }
        do {
            try self.complete(digest)
            return nil
        } catch is BlobError {
            return 0
        }
    }

    /// Adds a part. A part that does not begin where the last one ended changes nothing.
    ///
    /// - Returns: where the next part begins, or `nil` when the blob is complete and in place.
    /// - Throws: ``BlobError`` where the whole is not what its digest says (it is then thrown away), or is too large;
    ///   ``StorageError`` where it cannot be written; what came before stays, unless it is not sure to be on the disk.
    public func add(_ chunk: BlobChunk) throws -> Int? {
        guard chunk.totalBytes <= self.blobBytesLimit else {
            throw BlobError(
                "blob \(chunk.digest.short) has \(chunk.totalBytes) bytes; the limit is \(self.blobBytesLimit)"
            )
        }
        if self.contains(chunk.digest) { return nil }
        let received = self.receivedBytes(of: chunk.digest)
        guard received == chunk.offset else {
            return try self.nextOffset(of: chunk.digest, totalBytes: chunk.totalBytes)
        }
        try FaultPoint.reach("append", of: self.path(of: chunk.digest))
        try self.files.append(chunk.bytes, to: self.partialPath(of: chunk.digest), at: received)
        self.used?.add(chunk.bytes.count)
        guard chunk.isLast else { return received + chunk.bytes.count }
        try self.complete(chunk.digest)
        return nil
    }

    private func complete(_ digest: Digest) throws {
        let path = self.partialPath(of: digest)
        do {
            try FaultPoint.reach("sync", of: self.path(of: digest))
            try self.files.sync(path)
            guard try self.files.digest(of: path) == digest else {
                throw BlobError(
                    "the bytes that came for blob \(digest.short) are not those of its digest; send it again"
                )
            }
            try self.files.rename(path, to: self.path(of: digest))
        } catch {
            // After a sync that failed, the system counts bytes and names as written that stand in its cache alone.
            self.remove(digest)
            throw error
        }
    }

    /// A part of a blob that is there.
    ///
    /// - Throws: ``BlobError`` where it is not there or has no such part.
    public func chunk(of digest: Digest, offset: Int, count: Int) throws -> BlobChunk {
        try Self.chunk(of: digest, file: self.path(of: digest), offset: offset, count: count)
    }

    /// A part of a file whose whole has this digest.
    public static func chunk(of digest: Digest, file path: String, offset: Int, count: Int) throws -> BlobChunk {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { throw BlobError("there is no blob \(digest.short)") }
            throw StorageError("read", path)
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw StorageError("read", path) }
        let total = Int(status.st_size)
        guard offset >= 0, offset <= total, count >= 0 else {
            throw BlobError("blob \(digest.short) has \(total) bytes and nothing at \(offset)")
        }
        var bytes = [UInt8](repeating: 0, count: min(count, BlobChunk.bytesLimit, total - offset))
        var filled = 0
        while filled < bytes.count {
            let read = bytes.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress! + filled, $0.count - filled, off_t(offset + filled))
            }
            if read < 0, errno == EINTR { continue }
            guard read > 0 else { throw StorageError("read", path, code: read == 0 ? EIO : errno) }
            filled += read
        }
        return BlobChunk(digest: digest, offset: offset, totalBytes: total, bytes: bytes)
    }

    /// Removes a blob; one that is not there is no mistake.
    public func remove(_ digest: Digest) {
        self.removeFile(self.path(of: digest))
        self.removePartial(digest)
    }

    /// Removes what has come of a blob that is not there completely.
    public func removePartial(_ digest: Digest) { self.removeFile(self.partialPath(of: digest)) }

    private func removeFile(_ path: String) {
        let bytes = self.files.bytes(of: path) ?? 0
        self.files.remove(path)
        self.used?.add((self.files.bytes(of: path) ?? 0) - bytes)
    }

    /// All blobs that are there.
    public func all() throws(StorageError) -> [Digest] { try self.digests(in: self.folder) }

    /// Removes every blob that is not among these, and what came of blobs that nobody has gone on sending for so long.
    /// Only while nobody sends one.
    ///
    /// - Returns: how many blobs were removed.
    @discardableResult
    public func removeAll(except kept: Set<Digest>, partialSeconds: Int = 24 * 3600) throws(StorageError) -> Int {
        let needless = try self.all().filter { !kept.contains($0) }
        for digest in needless { self.removeFile(self.path(of: digest)) }
        for digest in try self.digests(in: "\(self.folder)/partial") {
            let path = self.partialPath(of: digest)
            if self.files.secondsSinceChange(of: path) > partialSeconds { self.removeFile(path) }
        }
        return needless.count
    }

    private func digests(in folder: String) throws(StorageError) -> [Digest] {
        try self.files.names(in: folder).compactMap { Digest($0) }.sorted()
    }
}

/// A blob that is not there or not what it should be.
public struct BlobError: Error, Hashable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}
