import ArgumentParser
import Coordination
import CoordinatorShell

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
        if self.failed == self.quarantined { return [.failed, .quarantined] }
        return self.failed ? [.failed] : [.quarantined]
    }

    func run() async throws {
        try self.state.folder.requireStore()
        switch (self.session.detach, self.session.on) {
        case (true, .slurm):
            let name = try await self.state.readableStore().sweep(named: self.sweep).name
            let slurm = SlurmSession(state: self.state.folder, sweep: name)
            try await slurm.requireNoCoordinator()
            return try await slurm.submit(options: self.session.launcherOptions)
        case (true, _): return try await DetachedSession(state: self.state.folder).start()
        case (false, _): break
        }
        let lock = try self.state.folder.lock()
        let store = try Store(writing: self.state.folder.database)
        var sweep = try store.sweep(named: self.sweep)
        // Paused or cancelled, it would wait for ever.
        if sweep.terms.standing != .active {
            sweep.terms.standing = .active
            try store.apply([.sweep(sweep.terms)])
        }
        try SweepFolders().check(try store.folders(of: sweep.name))
        try await SweepSession(
            state: self.state.folder,
            lock: lock,
            store: store,
            sweep: sweep,
            options: self.session,
            retried: self.retried,
            note: nil
        ).run()
    }
}
