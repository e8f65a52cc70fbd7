import ArgumentParser
import CoordinatorShell
import Files
import Sweeps

/// `quintet launch`
struct Launch: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run a grid of experiments on this machine, and on all that join; print the table at the end."
    )

    @Argument(help: ArgumentHelp("The grid, a YAML file.", valueName: "grid.yaml"))
    var grid: String

    @OptionGroup var state: StateOptions
    @OptionGroup var session: SessionOptions

    func run() async throws {
        let yaml = try readText(self.grid, what: "grid")
        let name = try SweepDefinition(yaml: yaml, file: self.grid).name
        let slurm = SlurmSession(state: self.state.folder, sweep: name)
        switch (self.session.detach, self.session.on) {
        case (true, .slurm):
            try await slurm.requireNoCoordinator()
            // What is wrong with the grid or its files is told here rather than in the log of a job that starts
            // tomorrow, and what can be fetched is: nodes may reach less.
            if let note = try await self.store(yaml).note { print(note) }
            try await slurm.submit(grid: self.grid, options: self.session.launcherOptions)
        case (true, _): try await DetachedSession(state: self.state.folder).start()
        case (false, _):
            let stored = try await self.store(yaml)
            try await SweepSession(
                state: self.state.folder,
                lock: stored.lock,
                store: stored.store,
                sweep: stored.sweep,
                options: self.session,
                note: stored.note
            ).run()
        }
    }

    private struct Stored {
        let lock: FolderLock
        let store: Store
        let sweep: StoredSweep
        let note: String?
    }

    /// Takes the state folder and stores the sweep there.
    private func store(_ yaml: String) async throws -> Stored {
        let lock = try self.state.folder.lock()
        let store = try Store(writing: self.state.folder.database)
        var plan = try await SweepPlan(yaml: yaml, file: self.grid)
        let submission = try plan.submit(to: store)
        let note =
            submission == .replaced
            ? "sweep \(plan.sweep.name) has another grid now; shards that it shares with the old one are kept" : nil
        return Stored(lock: lock, store: store, sweep: plan.sweep, note: note)
    }
}
