import ArgumentParser
import CoordinatorShell

/// `quintet gc`
struct GarbageCollection: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gc",
        abstract: "Remove checkpoints that no shard keeps, and what came of broken uploads; no coordinator may run."
    )

    @OptionGroup var state: StateOptions

    func run() throws {
        let (audit, lock) = try self.state.audit(damaged: false)
        defer { withExtendedLifetime(lock) {} }
        let removed = try audit.collectGarbage()
        print("removed \(removed.blobs) checkpoints, \(removed.bytes >> 10) KiB")
    }
}
