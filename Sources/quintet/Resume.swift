import ArgumentParser
import Coordination
import CoordinatorShell
import Files
import Foundation

/// `quintet resume`
struct Resume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Go on with what a sweep has not finished, from the last checkpoints, and retry what failed."
    )

    @Argument(help: "The sweep; without it, the one launched last.")
    var sweep: String?

    @Flag(help: "Of the shards that were given up, retry only those that failed.")
    var failed = false

    @Flag(help: "Of the shards that were given up, retry only those that are quarantined.")
    var quarantined = false

    @OptionGroup var state: StateOptions
    @OptionGroup var session: SessionOptions

    private var retried: Set<GivenUp> {
        // Nobody has asked for it where Slurm starts a job again.
        if self.session.asJob, Self.restarts > 0 { return [] }
        if self.failed == self.quarantined { return [.failed, .quarantined] }
        return self.failed ? [.failed] : [.quarantined]
    }

    /// How often Slurm has started this job again.
    private static var restarts: Int {
        ProcessInfo.processInfo.environment["SLURM_RESTART_COUNT"].flatMap(Int.init) ?? 0
    }

    func run() async throws {
        try self.state.folder.requireStore()
        switch (self.session.detach, self.session.on) {
        case (true, .slurm):
            let name = try await self.state.readableStore().sweep(named: self.sweep).name
            let slurm = SlurmSession(state: self.state.folder, sweep: name)
            try await slurm.requireNoCoordinator()
            // Now, since the job leaves it as it is: a person may pause the sweep before it starts, or starts again.
            _ = try self.store(activating: name)
            return try await slurm.submit(options: self.session.launcherOptions)
        case (true, _): return try await DetachedSession(state: self.state.folder).start()
        case (false, _): break
        }
        let stored = try self.store(activating: self.sweep)
        if stored.sweep.terms.standing == .cancelled {
            throw SessionError("sweep \(stored.sweep.name) was cancelled before its job started")
        }
        try SweepFolders().check(try stored.store.folders(of: stored.sweep.name))
        try await SweepSession(
            state: self.state.folder,
            lock: stored.lock,
            store: stored.store,
            sweep: stored.sweep,
            options: self.session,
            retried: self.retried,
            note: nil
        ).run()
    }

    /// Takes the state folder. The sweep may go on from now, unless a job of Slurm asks.
    private func store(activating name: String?) throws -> (lock: FolderLock, store: Store, sweep: StoredSweep) {
        let lock = try self.state.folder.lock()
        let store = try Store(writing: self.state.folder.database)
        var sweep = try store.sweep(named: name)
        // Paused or cancelled, it would wait for ever.
        if sweep.terms.standing != .active, !self.session.asJob {
            sweep.terms.standing = .active
            try store.apply([.sweep(sweep.terms)])
        }
        return (lock, store, sweep)
    }
}
