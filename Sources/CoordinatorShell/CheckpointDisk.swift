internal import Coordination
internal import Files
internal import Wire

/// How much more checkpoints may take: of their quota, and of the disk.
struct CheckpointDisk: Sendable {
    let blobs: BlobStore
    let quotaBytes: Int?

    /// Of the disk so much stays free for results, whatever checkpoints may come.
    static let reservedBytes = 64 << 20

    func room() -> Room {
        let free = DurableFile.freeBytes(at: self.blobs.folder)
        let ofDisk = Room(
            bytes: (free ?? .max) - Self.reservedBytes,
            bound: "the disk of \(self.blobs.folder) has \((free ?? 0) >> 20) MiB left, of which "
                + "\(Self.reservedBytes >> 20) are kept for results"
        )
        guard let quotaBytes, let used = self.blobs.usedBytes, quotaBytes - used < ofDisk.bytes else { return ofDisk }
        let bound = "--disk is \(quotaBytes >> 20) MiB, and those that are here take \(used >> 20)"
        return Room(bytes: quotaBytes - used, bound: bound)
    }
}
