import ArgumentParser
import CoordinatorShell
import Wire

/// `quintet gc`
struct GarbageCollection: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gc",
        abstract: "Remove checkpoints that no shard keeps, and what came of broken uploads; no coordinator may run."
    )

    @OptionGroup var state: StateOptions

    func run() throws {
        try self.state.folder.requireStore()
        let lock = try self.state.folder.lock()
        defer { withExtendedLifetime(lock) {} }
        let audit = StateAudit(
            store: try Store(writing: self.state.folder.database),
            blobs: try BlobStore(folder: self.state.folder.blobs)
        )
        let removed = try audit.collectGarbage()
        print("removed \(removed.blobs) checkpoints, \(removed.bytes >> 10) KiB")
    }
}
