internal import Digests
internal import Wire

/// What workers may fetch beside blobs: files that lie where the user has them, and the lists of their folders.
struct ServedFiles: Sendable {
    /// Paths by digest.
    private(set) var files: [Digest: String] = [:]
    private var manifests: [Digest: [UInt8]] = [:]

    mutating func add(_ folders: [StoredFolder]) {
        for folder in folders {
            self.manifests[folder.manifest.digest] = Array(folder.manifest.written.utf8)
            for file in folder.manifest.files { self.files[file.digest] = "\(folder.path)/\(file.name)" }
        }
    }

    /// A part of a folder's list; `nil` where the digest is no such list's.
    func manifestChunk(_ range: BlobRange) throws -> BlobChunk? {
        guard let manifest = self.manifests[range.digest] else { return nil }
        guard (0...manifest.count).contains(range.offset), range.count >= 0 else {
            throw BlobError("folder list \(range.digest.short) has nothing at \(range.offset)")
        }
        let count = min(range.count, BlobChunk.bytesLimit, manifest.count - range.offset)
        return BlobChunk(
            digest: range.digest,
            offset: range.offset,
            totalBytes: manifest.count,
            bytes: Array(manifest[range.offset..<range.offset + count])
        )
    }
}
