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
    private let used: ByteCount?

    private final class ByteCount: Sendable {
        let bytes = Atomic(0)

        func add(_ bytes: Int) { self.bytes.add(bytes, ordering: .relaxed) }
    }

    /// - Parameter countsBytes: whether ``usedBytes`` is kept.
    /// - Throws: ``StorageError`` where the folder cannot be made or read.
    public init(folder: String, blobBytesLimit: Int = 16 << 30, countsBytes: Bool = false) throws(StorageError) {
        self.folder = folder
        self.blobBytesLimit = blobBytesLimit
        self.used = countsBytes ? ByteCount() : nil
        try DurableFile.makeFolder("\(folder)/partial")
        guard countsBytes else { return }
        for digest in try self.all() { self.used?.add(Self.bytes(of: self.path(of: digest))) }
        for digest in try Self.digests(in: "\(folder)/partial") { self.used?.add(self.receivedBytes(of: digest)) }
    }

    /// What all blobs take, those on their way included; `nil` where they are not counted.
    public var usedBytes: Int? { self.used?.bytes.load(ordering: .relaxed) }

    /// Where the blob lies, or would lie.
    public func path(of digest: Digest) -> String { "\(self.folder)/\(digest)" }

    /// Whether the blob is there.
    public func contains(_ digest: Digest) -> Bool { access(self.path(of: digest), F_OK) == 0 }

    private func partialPath(of digest: Digest) -> String { "\(self.folder)/partial/\(digest)" }

    /// How many bytes of a blob have come so far; the next ones go there.
    public func receivedBytes(of digest: Digest) -> Int { Self.bytes(of: self.partialPath(of: digest)) }

    private static func bytes(of path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : 0
    }

    private func removeFile(_ path: String) {
        let bytes = Self.bytes(of: path)
        if unlink(path) == 0 { self.used?.add(-bytes) }
    }

    /// Adds a part. A part that does not begin where the last one ended changes nothing.
    ///
    /// - Returns: where the next part begins, or `nil` when the blob is complete and in place.
    /// - Throws: ``BlobError`` where the whole is not what its digest says (it is then thrown away), or is too large;
    ///   ``StorageError`` where it cannot be written; what came before stays.
    public func add(_ chunk: BlobChunk) throws -> Int? {
        guard chunk.totalBytes <= self.blobBytesLimit else {
            throw BlobError(
                "blob \(chunk.digest.short) has \(chunk.totalBytes) bytes; the limit is \(self.blobBytesLimit)"
            )
        }
        if self.contains(chunk.digest) { return nil }
        let path = self.partialPath(of: chunk.digest)
        let received = self.receivedBytes(of: chunk.digest)
        guard received == chunk.offset else { return received }
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw StorageError("write", path) }
        defer { close(descriptor) }
        do {
            try FaultPoint.reach("append", of: self.path(of: chunk.digest))
            try DurableFile.writeAll(chunk.bytes, to: descriptor, path: path)
        } catch {
            // A part that came in half would be taken for whole.
            ftruncate(descriptor, off_t(received))
            throw error
        }
        self.used?.add(chunk.bytes.count)
        guard chunk.isLast else { return received + chunk.bytes.count }
        try FaultPoint.reach("sync", of: self.path(of: chunk.digest))
        try DurableFile.sync(descriptor, path: path)
        try self.complete(chunk.digest)
        return nil
    }

    private func complete(_ digest: Digest) throws {
        let path = self.partialPath(of: digest)
        guard try SHA256.hash(file: path) == digest else {
            self.removeFile(path)
            throw BlobError("the bytes that came for blob \(digest.short) are not those of its digest; send it again")
        }
        try DurableFile.rename(path, to: self.path(of: digest))
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

    /// All blobs that are there.
    public func all() throws(StorageError) -> [Digest] { try Self.digests(in: self.folder) }

    /// Removes every blob that is not among these, and what came of blobs that nobody has gone on sending for so long.
    /// Only while nobody sends one.
    ///
    /// - Returns: how many blobs were removed.
    @discardableResult
    public func removeAll(except kept: Set<Digest>, partialSeconds: Int = 24 * 3600) throws(StorageError) -> Int {
        let needless = try self.all().filter { !kept.contains($0) }
        for digest in needless { self.removeFile(self.path(of: digest)) }
        let oldest = time(nil) - partialSeconds
        for digest in try Self.digests(in: "\(self.folder)/partial") {
            var status = stat()
            let path = self.partialPath(of: digest)
            if stat(path, &status) == 0, status.st_mtim.tv_sec < oldest { self.removeFile(path) }
        }
        return needless.count
    }

    private static func digests(in folder: String) throws(StorageError) -> [Digest] {
        guard let stream = opendir(folder) else { throw StorageError("read", folder) }
        defer { closedir(stream) }
        var digests: [Digest] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let digest = Digest(name) { digests.append(digest) }
        }
        return digests.sorted()
    }
}

/// A blob that is not there or not what it should be.
public struct BlobError: Error, Hashable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}
