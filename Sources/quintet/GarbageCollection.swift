import ArgumentParser
import CoordinatorShell
import Foundation
import WorkerShell

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
        // No task of Slurm has the number of another that has ended.
        let joined = "\(self.state.folder.path)/joined"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: joined)) ?? []
        let folders = names.filter { $0.hasPrefix("slurm-") }.count {
            WorkerFolder("\(joined)/\($0)").removeIfSettled()
        }
        if folders > 0 { print("removed what \(folders) workers on Slurm kept") }
    }
}
